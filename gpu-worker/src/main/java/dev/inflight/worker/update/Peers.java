package dev.inflight.worker.update;

import dev.inflight.protocol.plan.Membership;
import dev.inflight.worker.aeron.AeronNode;
import dev.inflight.worker.aeron.Cast;
import dev.inflight.worker.nccl.NcclId;
import dev.inflight.worker.nccl.RankArrival;
import dev.inflight.worker.transport.BucketTransfer;
import dev.inflight.worker.transport.PeerConnection;
import dev.inflight.worker.transport.PeerException;
import dev.inflight.worker.transport.PeerTransfer;
import dev.inflight.worker.transport.SourcePace;
import dev.inflight.worker.transport.TransferKey;
import dev.inflight.worker.ucx.UcxNode;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * How this host reaches the workers of others and its own.
 *
 * @param endpoint {@code address:port} of its own peer server
 * @param hub where its own workers serve buckets
 * @param machine identity of this host's shared memory
 * @param timeout longest silence of a peer before it is given up
 * @param ucx how bytes come from peers that use UCX as well; null for TCP
 * @param aeron where buckets are cast and received; null if this host takes no part in that
 */
public record Peers(
        String endpoint,
        TransferHub hub,
        String machine,
        Duration timeout,
        @Nullable UcxNode ucx,
        @Nullable AeronNode aeron) {
    /** Over TCP only. */
    public Peers(String endpoint, TransferHub hub, String machine, Duration timeout) {
        this(endpoint, hub, machine, timeout, null, null);
    }

    /** Endpoints of the hosts that hold at least one shard. */
    public List<String> holders(Membership membership) {
        return membership.hosts().stream()
                .filter(host -> !host.shards().isEmpty())
                .map(Membership.Host::endpoint)
                .toList();
    }

    /** Endpoints of the other hosts that know the checkpoint, since they hold or replicate some of it. */
    List<String> sources(Membership membership) {
        return membership.hosts().stream()
                .filter(host -> !host.shards().isEmpty() || !host.coming().isEmpty())
                .map(Membership.Host::endpoint)
                .filter(other -> !other.equals(endpoint))
                .toList();
    }

    /**
     * Comes to the rendezvous of an update's ranks.
     *
     * @param place endpoint of the host of the first rank
     * @throws UpdateException if it can not be reached or not all ranks come
     */
    NcclId meet(String place, RankArrival arrival) {
        try (var connection = PeerConnection.connect(place, timeout)) {
            return connection.meet(arrival);
        } catch (PeerException e) {
            throw new UpdateException(String.valueOf(e.getMessage()), null, e);
        }
    }

    /**
     * @param owner endpoint of the owner's peer server
     * @param casts whether owners cast their buckets
     * @param pace what the owner keeps to
     * @throws UpdateException naming the owner if it can not be reached or refuses
     */
    BucketTransfer open(String owner, TransferKey key, boolean casts, SourcePace pace) throws InterruptedException {
        PeerConnection connection = null;
        try {
            if (owner.equals(endpoint)) {
                return LocalTransfer.open(hub, key);
            }
            connection = PeerConnection.connect(owner, timeout);
            connection.keepTo(pace);
            var transfer = connection.openTransfer(key, machine);
            if (!transfer.mapped()) {
                choose(transfer, casts);
            }
            return transfer;
        } catch (PeerException e) {
            closed(connection);
            throw new UpdateException(String.valueOf(e.getMessage()), key.owner(), e);
        } catch (InterruptedException e) {
            closed(connection);
            throw e;
        }
    }

    private void choose(PeerTransfer transfer, boolean casts) throws PeerException, InterruptedException {
        if (casts && aeron != null) {
            transfer.useCast(aeron);
        } else if (ucx != null) {
            transfer.useUcx(ucx);
        }
    }

    private static void closed(@Nullable PeerConnection connection) {
        if (connection != null) {
            connection.close();
        }
    }

    /**
     * Opens a cast of own buckets.
     *
     * @throws UpdateException if this host can not
     */
    Cast cast() throws InterruptedException {
        if (aeron == null) {
            throw new UpdateException("this worker host does not use Aeron", null);
        }
        try {
            return aeron.cast();
        } catch (RuntimeException e) {
            throw new UpdateException("can not cast: " + e.getMessage(), null, e);
        }
    }
}
