package dev.inflight.worker.nccl;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The communicator of one worker: made when its first update with some members is prepared, and kept for the next one
 * with the same, unless an update with it did not end well. Thread-safe.
 */
public final class Communicators implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Communicators.class);

    private final NcclLibrary library;
    private final Runnable makeCurrent;
    private final Duration bound;
    private @Nullable Group kept;
    private boolean closed;

    /** How a rank reaches the {@link Rendezvous} of its group. */
    public interface Meeting {
        /** Blocks until all ranks are there. Fails with whatever says why they are not. */
        NcclId meet(RankArrival arrival) throws InterruptedException;
    }

    /**
     * @param makeCurrent makes the context of the worker's GPU current for the calling thread
     * @param bound the longest wait for other ranks in NCCL
     */
    public Communicators(NcclLibrary library, Runnable makeCurrent, Duration bound) {
        this.library = library;
        this.makeCurrent = makeCurrent;
        this.bound = bound;
    }

    /** As in {@code NCCL_VERSION_CODE}. */
    public int version() {
        return library.version();
    }

    /**
     * The communicator of these members, kept from an earlier update if all of them have it still. Waits for the
     * others. To be called by one update at a time, on a platform thread.
     *
     * @param members ids of all, by rank
     * @param worker this one's
     * @throws NcclException if the communicator could not be made
     */
    public Group join(long epoch, List<String> members, String worker, Meeting meeting) throws InterruptedException {
        var present = usable(members);
        var arrival =
                new RankArrival(epoch, members.size(), members.indexOf(worker), present == null ? null : present.id());
        var id = meeting.meet(arrival);
        if (present != null && present.id().equals(id)) {
            return present;
        }
        if (present != null) {
            end(present);
        }
        makeCurrent.run();
        var communicator = NcclCommunicator.create(library, id, members.size(), arrival.rank(), bound);
        LOG.info("{} joined in epoch {}: {}", worker, epoch, communicator);
        var made = new Group(communicator, id, List.copyOf(members));
        if (!keep(made)) {
            end(made);
            throw new NcclException("worker " + worker + " stops");
        }
        return made;
    }

    private synchronized boolean keep(Group made) {
        if (!closed) {
            kept = made;
        }
        return !closed;
    }

    /** What was kept, if it is of the same members and NCCL knows of no error; else it is ended. */
    private @Nullable Group usable(List<String> members) throws InterruptedException {
        var present = current();
        if (present == null) {
            return null;
        }
        if (present.members().equals(members)) {
            try {
                present.check();
                return present;
            } catch (NcclException e) {
                LOG.warn("a new communicator is needed", e);
            }
        }
        end(present);
        return null;
    }

    private synchronized @Nullable Group current() {
        return kept;
    }

    private void end(Group group) throws InterruptedException {
        try {
            drop(group).get();
        } catch (ExecutionException e) {
            LOG.error("{} is left behind; restart this worker host when it suits", group, e.getCause());
        }
    }

    /**
     * Ends a communicator that an update did not end well with; the next one makes another. Returns at once.
     *
     * @return done when none of its work runs on the GPU any more; fails if NCCL did not let go of it
     */
    public CompletableFuture<Void> drop(Group group) {
        synchronized (this) {
            if (kept == group) {
                kept = null;
            }
        }
        return group.abort();
    }

    /** Ends what is kept, and waits for that. */
    @Override
    public void close() {
        Group last;
        synchronized (this) {
            closed = true;
            last = kept;
        }
        if (last != null) {
            try {
                end(last);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
