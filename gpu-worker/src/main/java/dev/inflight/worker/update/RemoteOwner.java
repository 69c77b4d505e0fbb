package dev.inflight.worker.update;

import dev.inflight.protocol.plan.Bucket;
import dev.inflight.worker.transport.BucketTransfer;
import dev.inflight.worker.transport.PeerException;
import dev.inflight.worker.transport.SlotInfo;
import dev.inflight.worker.transport.SlotRange;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** Another worker whose buckets this one needs. Failures of its transfer name it; {@link BucketTransfer} has the rules. */
final class RemoteOwner {
    private final String worker;
    private final List<Bucket> buckets;
    private final BucketTransfer transfer;
    private final boolean replaceable;

    /**
     * @param buckets in plan order
     * @param replaceable whether what it does not give can be had elsewhere
     */
    RemoteOwner(String worker, List<Bucket> buckets, BucketTransfer transfer, boolean replaceable) {
        this.worker = worker;
        this.buckets = buckets;
        this.transfer = transfer;
        this.replaceable = replaceable;
    }

    String worker() {
        return worker;
    }

    List<Bucket> buckets() {
        return buckets;
    }

    /** Whether its slots can be reached from here without a socket. */
    boolean mapped() {
        return transfer.mapped();
    }

    List<SlotInfo> slots() {
        return transfer.slots();
    }

    void request(int bucket) {
        try {
            transfer.request(bucket);
        } catch (PeerException e) {
            throw lost(e);
        }
    }

    SlotRange awaitMapped(int bucket) throws InterruptedException {
        try {
            return transfer.awaitMapped(bucket);
        } catch (PeerException e) {
            throw lost(e);
        }
    }

    void fetch(int bucket, MemorySegment landing) {
        try {
            transfer.fetch(bucket, landing);
        } catch (PeerException e) {
            throw lost(e);
        }
    }

    /**
     * To a lost owner that can be replaced there is nothing to give back. What was taken is good all the same: it was
     * verified, and nothing else comes to a lost owner's slots and arenas while the update lasts, since nobody writes for
     * a process that is gone, and a worker that lives is in no other update before this one has ended.
     */
    void giveBack(int bucket) {
        try {
            transfer.consumed(bucket);
        } catch (PeerException e) {
            if (!replaceable) {
                throw lost(e);
            }
        }
    }

    /** Whether it is the owner who was lost, so that others can take its place. */
    boolean isMissed(UpdateException failure) {
        return replaceable
                && failure.getCause() instanceof PeerException
                && !Thread.currentThread().isInterrupted();
    }

    /** Takes nothing more from it: a call in progress ends as if the owner were gone. */
    void leave() {
        transfer.close();
    }

    private UpdateException lost(PeerException e) {
        return lost(String.valueOf(e.getMessage()), e);
    }

    /** What to throw if nothing more is to be taken from it. */
    UpdateException lost(String reason, PeerException cause) {
        return new UpdateException(reason, worker, cause);
    }
}
