package dev.inflight.worker.update;

import dev.inflight.protocol.plan.Membership;
import dev.inflight.worker.transport.BucketTransfer;
import dev.inflight.worker.transport.PeerConnection;
import dev.inflight.worker.transport.PeerException;
import dev.inflight.worker.transport.TransferKey;
import java.time.Duration;
import java.util.List;

/**
 * How this host reaches the workers of others and its own.
 *
 * @param endpoint {@code address:port} of its own peer server
 * @param hub where its own workers serve buckets
 * @param machine identity of this host's shared memory
 * @param timeout longest silence of a peer before it is given up
 */
public record Peers(String endpoint, TransferHub hub, String machine, Duration timeout) {
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
     * @param owner endpoint of the owner's peer server
     * @throws UpdateException naming the owner if it can not be reached or refuses
     */
    BucketTransfer open(String owner, TransferKey key) throws InterruptedException {
        PeerConnection connection = null;
        try {
            if (owner.equals(endpoint)) {
                return LocalTransfer.open(hub, key);
            }
            connection = PeerConnection.connect(owner, timeout);
            return connection.openTransfer(key, machine);
        } catch (PeerException e) {
            if (connection != null) {
                connection.close();
            }
            throw new UpdateException(String.valueOf(e.getMessage()), key.owner(), e);
        }
    }
}
