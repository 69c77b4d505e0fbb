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

    /** @param buckets in plan order */
    RemoteOwner(String worker, List<Bucket> buckets, BucketTransfer transfer) {
        this.worker = worker;
        this.buckets = buckets;
        this.transfer = transfer;
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

    void giveBack(int bucket) {
        try {
            transfer.consumed(bucket);
        } catch (PeerException e) {
            throw lost(e);
        }
    }

    private UpdateException lost(PeerException e) {
        return new UpdateException(String.valueOf(e.getMessage()), worker, e);
    }
}
