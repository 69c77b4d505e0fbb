package dev.inflight.worker.store;

import dev.inflight.protocol.checkpoint.BlockSums;
import dev.inflight.protocol.plan.Shard;
import dev.inflight.worker.transport.PeerConnection;
import dev.inflight.worker.transport.PeerException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Fetches what other hosts know of a checkpoint. Blocks; for any thread. */
final class SumsExchange {
    private final Duration timeout;

    /** @param timeout longest silence of a peer */
    SumsExchange(Duration timeout) {
        this.timeout = timeout;
    }

    /**
     * Block sums of some shards from one host.
     *
     * @param key the publication's id, or the manifest's digest
     * @throws StoreException naming the peer
     */
    List<BlockSums> sums(String endpoint, String key, List<Shard> shards) {
        try (var peer = PeerConnection.connect(endpoint, timeout)) {
            var sums = new ArrayList<BlockSums>();
            for (var shard : shards) {
                sums.add(BlockSums.decode(shard, peer.blockSums(key, shard.index())));
            }
            return sums;
        } catch (PeerException e) {
            throw new StoreException(String.valueOf(e.getMessage()), e);
        }
    }

    /** The encoded manifest from the first of {@code endpoints} that has it. */
    byte[] manifest(List<String> endpoints, String digest) {
        @Nullable PeerException last = null;
        for (var endpoint : endpoints) {
            try (var peer = PeerConnection.connect(endpoint, timeout)) {
                return peer.manifest(digest);
            } catch (PeerException e) {
                last = e;
            }
        }
        throw new StoreException(
                "no host has manifest " + digest + (last == null ? "" : ": " + last.getMessage()), last);
    }
}
