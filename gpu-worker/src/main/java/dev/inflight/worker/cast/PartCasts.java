package dev.inflight.worker.cast;

import dev.inflight.worker.aeron.AeronNode;
import dev.inflight.worker.store.PeerAnswers;
import dev.inflight.worker.store.StoreException;
import dev.inflight.worker.transport.PartCasting;
import dev.inflight.worker.transport.PeerException;
import dev.inflight.worker.transport.RateLimit;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The casts of this host's checkpoints, one at a time for each. Thread-safe. */
public final class PartCasts implements AutoCloseable {
    private final PeerAnswers answers;
    private final AeronNode aeron;
    private final RateLimit limit;
    private final Duration patience;
    private final Map<String, PartCast> casts = new HashMap<>();
    private boolean closed;

    /**
     * @param limit of all parts that this host sends
     * @param patience longest time in which receivers take nothing, or a part is not to be had
     */
    public PartCasts(PeerAnswers answers, AeronNode aeron, RateLimit limit, Duration patience) {
        this.answers = answers;
        this.aeron = aeron;
        this.limit = limit;
        this.patience = patience;
    }

    /**
     * Waits until enough machines ask for parts of a checkpoint, and casts them then.
     *
     * @param checkpoint names it as in {@link dev.inflight.worker.transport.PartKey}
     * @param machine identity of the asker's machine
     * @throws PeerException if this host does not know the checkpoint or can not cast
     */
    public PartCasting enter(String checkpoint, String machine) throws PeerException, InterruptedException {
        try {
            while (true) {
                var cast = cast(checkpoint);
                var place = cast.enter(machine);
                if (place != null) {
                    return place;
                }
                forget(checkpoint, cast);
            }
        } catch (StoreException e) {
            throw new PeerException(String.valueOf(e.getMessage()), e);
        }
    }

    private synchronized PartCast cast(String checkpoint) throws PeerException {
        if (closed) {
            throw new PeerException("this host is about to stop");
        }
        return casts.computeIfAbsent(
                checkpoint,
                key -> new PartCast(
                        answers, answers.checkpoint(key), aeron, limit, patience, ended -> forget(key, ended)));
    }

    private synchronized void forget(String checkpoint, PartCast ended) {
        casts.remove(checkpoint, ended);
    }

    /** Ends all casts; on return none is sending. */
    @Override
    public void close() {
        for (var cast : closing()) {
            cast.end();
        }
    }

    private synchronized List<PartCast> closing() {
        closed = true;
        return List.copyOf(casts.values());
    }

    /** Casts that run or wait for receivers, for tests. */
    public synchronized int running() {
        return casts.size();
    }
}
