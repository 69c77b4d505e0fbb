package dev.inflight.worker.update;

import dev.inflight.protocol.cluster.Damage.Place;
import dev.inflight.protocol.plan.Bucket;
import dev.inflight.worker.store.CorruptBlockException;
import dev.inflight.worker.store.DamageTally;
import dev.inflight.worker.store.HostStore;
import dev.inflight.worker.store.StoredCheckpoint;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Brings buckets again whose check failed. What is damaged in the host store is mended there first; if the store is whole,
 * the bytes were damaged on their way to a slot or in it, and are copied once more.
 */
final class Mending {
    /** Memory that damages the same bucket as often as this is not worth another try. */
    private static final int MOST_ATTEMPTS = 3;

    private static final Logger LOG = LoggerFactory.getLogger(Mending.class);

    private final HostStore store;
    private final StoredCheckpoint checkpoint;
    private final StageTimes times;

    Mending(HostStore store, StoredCheckpoint checkpoint, StageTimes times) {
        this.store = store;
        this.checkpoint = checkpoint;
        this.times = times;
    }

    /** Of this host. */
    DamageTally tally() {
        return store.damage();
    }

    /** Brings a bucket to where it is read, and checks it there. */
    @FunctionalInterface
    interface Attempt {
        /** @throws CorruptBlockException if it is not what was published */
        void bring() throws InterruptedException;
    }

    /**
     * Returns when an attempt has succeeded.
     *
     * @throws CorruptBlockException if too many failed although the store is whole
     * @throws dev.inflight.worker.store.StoreException if the store can not be mended
     */
    void bring(Bucket bucket, Attempt attempt) throws InterruptedException {
        CorruptBlockException inSlot = null;
        for (int attempts = 1; true; attempts++) {
            try {
                attempt.bring();
                mended(inSlot);
                return;
            } catch (CorruptBlockException e) {
                var inStore = store.mend(checkpoint, checkpoint.parts(List.of(bucket)));
                inStore.forEach(times.damage::mended);
                if (inStore.isEmpty()) {
                    LOG.warn(
                            "bucket {} was damaged in its slot, and is copied again: {}",
                            bucket.index(),
                            e.getMessage());
                    store.damage().addFound(Place.SLOT);
                    inSlot = e;
                }
                if (attempts == MOST_ATTEMPTS) {
                    throw e;
                }
            }
        }
    }

    private void mended(@Nullable CorruptBlockException inSlot) {
        if (inSlot != null) {
            store.damage().addMended(Place.SLOT);
            times.damage.mended(inSlot.mended(Place.SLOT, "host " + checkpoint.host()));
        }
    }
}
