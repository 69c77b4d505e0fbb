package dev.inflight.worker.store;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;

/** The latest publications, for peers that ask for block sums. Thread-safe. */
final class Publications {
    /** Peers ask within one publication; a few may run at once. */
    private static final int MOST = 16;

    private final Duration patience;
    private final Map<String, Publication> latest = new LinkedHashMap<>(MOST, 0.75f, true) {
        @Override
        protected boolean removeEldestEntry(Map.Entry<String, Publication> eldest) {
            return size() > MOST;
        }
    };

    /** @param patience longest wait for a shard's block sums */
    Publications(Duration patience) {
        this.patience = patience;
    }

    /** The publication with this id, which a peer may ask about before this host was told to load it. */
    synchronized Publication of(String publishId) {
        return latest.computeIfAbsent(publishId, id -> new Publication());
    }

    /**
     * Encoded block sums of a shard that this host reads for a publication, once it has read it.
     *
     * @throws StoreException if the shard's load failed or does not end in time
     */
    byte[] blockSums(String publishId, int shard) throws InterruptedException {
        return of(publishId).await(shard, patience);
    }
}
