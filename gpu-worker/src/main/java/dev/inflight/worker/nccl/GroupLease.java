package dev.inflight.worker.nccl;

import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A worker's communicator during one update: kept for the next if all its work was done, aborted otherwise. Thread-safe.
 */
public final class GroupLease {
    private static final Logger LOG = LoggerFactory.getLogger(GroupLease.class);

    private final Communicators communicators;
    private @Nullable Group group;
    private @Nullable CompletableFuture<Void> abort;
    private boolean cancelled;
    private boolean done;
    private boolean ended;

    /** Makes the communicator, or finds the one that is there. */
    public interface Joining {
        Group join(Communicators communicators) throws InterruptedException;
    }

    public GroupLease(Communicators communicators) {
        this.communicators = communicators;
    }

    /** Waits for the other members; once, on a platform thread. A cancelled lease aborts what it joins at once. */
    public Group join(Joining joining) throws InterruptedException {
        var joined = joining.join(communicators);
        synchronized (this) {
            group = joined;
            if (cancelled) {
                abort = communicators.drop(joined);
            }
        }
        return joined;
    }

    /** @throws IllegalStateException if nothing was joined */
    public synchronized Group group() {
        var known = group;
        if (known == null) {
            throw new IllegalStateException("the members' communicator was not joined");
        }
        return known;
    }

    /** All work of the update with it is done. */
    public synchronized void done() {
        done = true;
    }

    /** Aborts the communicator, which ends every wait for it. Does not block. Does nothing after {@link #end}. */
    public synchronized void cancel() {
        if (ended) {
            return;
        }
        cancelled = true;
        var joined = group;
        if (joined != null && abort == null) {
            abort = communicators.drop(joined);
        }
    }

    /** As {@link #cancel}, unless all work is done. */
    public synchronized void cancelUnlessDone() {
        if (!done) {
            cancel();
        }
    }

    /**
     * Gives the communicator back: aborted, unless all work is done and nobody cancelled. Waits for an abort, which the
     * communicator bounds.
     *
     * @return whether there was one
     */
    public boolean end() {
        CompletableFuture<Void> ending;
        boolean joined;
        synchronized (this) {
            cancelUnlessDone();
            ended = true;
            ending = abort;
            joined = group != null;
        }
        if (ending != null) {
            ending.handle((nothing, failure) -> {
                        if (failure != null) {
                            LOG.error("NCCL does not let go of a communicator", failure);
                        }
                        return true;
                    })
                    .join();
        }
        return joined;
    }
}
