package dev.inflight.worker.nccl;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/** A worker's communicator with the other members of an update. {@link NcclCommunicator} has the thread rules. */
public final class Group {
    private final NcclCommunicator communicator;
    private final NcclId id;
    private final List<String> members;
    private final AtomicBoolean used = new AtomicBoolean();
    private @Nullable CompletableFuture<Void> aborted;

    Group(NcclCommunicator communicator, NcclId id, List<String> members) {
        this.communicator = communicator;
        this.id = id;
        this.members = members;
    }

    NcclId id() {
        return id;
    }

    List<String> members() {
        return members;
    }

    /** This worker's own. */
    public int rank() {
        return communicator.rank();
    }

    /** Rank of a member. */
    public int rank(String worker) {
        int rank = members.indexOf(worker);
        if (rank < 0) {
            throw new IllegalArgumentException("worker " + worker + " is none of " + members);
        }
        return rank;
    }

    /** True once, for all ranks in the same update: nothing was broadcast yet, and the first time connects them. */
    public boolean isFirstUse() {
        return used.compareAndSet(false, true);
    }

    /** As {@link NcclCommunicator#broadcast(long, long, int, long)}. */
    public void broadcast(long address, long bytes, int root, long stream) {
        communicator.broadcast(address, bytes, root, stream);
    }

    /** As {@link NcclCommunicator#check()}. */
    public void check() {
        communicator.check();
    }

    /**
     * Starts to end the communicator and every kernel of it that waits for a peer, on a thread of its own, and returns
     * at once. From then on nothing else can be done with it.
     *
     * @return done when NCCL has let go of it; fails if it did not within the communicator's bound
     */
    synchronized CompletableFuture<Void> abort() {
        var known = aborted;
        if (known == null) {
            var done = new CompletableFuture<Void>();
            known = done;
            aborted = done;
            Thread.ofPlatform().daemon().name("abort of " + this).start(() -> {
                try {
                    communicator.abort();
                    done.complete(null);
                } catch (RuntimeException e) {
                    done.completeExceptionally(e);
                }
            });
        }
        return known.copy();
    }

    @Override
    public String toString() {
        return communicator.toString();
    }
}
