package dev.inflight.worker.store;

import dev.inflight.protocol.checkpoint.BlockSums;
import dev.inflight.protocol.link.EngineShare;
import dev.inflight.protocol.plan.Shard;
import dev.inflight.worker.transport.PeerConnection;
import dev.inflight.worker.transport.PeerException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/** Fetches what other hosts know of a checkpoint. Blocks; for any thread. */
final class SumsExchange {
    private final Duration timeout;

    /** @param timeout longest silence of a peer */
    SumsExchange(Duration timeout) {
        this.timeout = timeout;
    }

    /**
     * Block sums of some shards from the first of {@code endpoints} that has them.
     *
     * @param key the publication's id, or a {@link CheckpointTable#key}
     * @throws StoreException naming the last peer asked
     */
    List<BlockSums> sums(List<String> endpoints, String key, List<Shard> shards) {
        return first(endpoints, "block sums of " + key, endpoint -> sums(endpoint, key, shards));
    }

    private List<BlockSums> sums(String endpoint, String key, List<Shard> shards) throws PeerException {
        try (var peer = PeerConnection.connect(endpoint, timeout)) {
            var sums = new ArrayList<BlockSums>();
            for (var shard : shards) {
                sums.add(BlockSums.decode(shard, peer.blockSums(key, shard.index())));
            }
            return sums;
        }
    }

    /** The encoded manifest from the first of {@code endpoints} that has it. */
    byte[] manifest(List<String> endpoints, String digest) {
        return first(endpoints, "manifest " + digest, endpoint -> {
            try (var peer = PeerConnection.connect(endpoint, timeout)) {
                return peer.manifest(digest);
            }
        });
    }

    /** {@link SliceDigests} of one shard from the first of {@code endpoints} that holds it, encoded. */
    byte[] sliceDigests(List<String> endpoints, String key, EngineShare share, int shard) {
        return first(endpoints, "shard " + shard + " of " + key, endpoint -> {
            try (var peer = PeerConnection.connect(endpoint, timeout)) {
                return peer.sliceDigests(key, share, shard);
            }
        });
    }

    private interface Question<T> {
        T ask(String endpoint) throws PeerException;
    }

    private static <T> T first(List<String> endpoints, String what, Question<T> question) {
        PeerException last = null;
        for (var endpoint : endpoints) {
            try {
                return question.ask(endpoint);
            } catch (PeerException e) {
                last = e;
            }
        }
        throw new StoreException("no host has " + what + (last == null ? "" : ": " + last.getMessage()), last);
    }
}
