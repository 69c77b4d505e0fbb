package dev.inflight.worker.update;

import dev.inflight.worker.transport.BucketTransfer;
import dev.inflight.worker.transport.PeerException;
import dev.inflight.worker.transport.SlotInfo;
import dev.inflight.worker.transport.SlotRange;
import dev.inflight.worker.transport.TransferKey;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;

/** A transfer between two workers of this process: no connection, the consumer looks at the owner's board itself. */
final class LocalTransfer implements BucketTransfer {
    private final TransferHub hub;
    private final TransferKey key;
    private final List<SlotInfo> slots;
    private final Set<Integer> outstanding = ConcurrentHashMap.newKeySet();
    private final AtomicBoolean closed = new AtomicBoolean();

    private LocalTransfer(TransferHub hub, TransferKey key, List<SlotInfo> slots) {
        this.hub = hub;
        this.key = key;
        this.slots = slots;
    }

    /** Waits, within the hub's bound, until the owner has prepared. */
    static LocalTransfer open(TransferHub hub, TransferKey key) throws PeerException, InterruptedException {
        return new LocalTransfer(hub, key, hub.open(key).slots());
    }

    @Override
    public boolean mapped() {
        return true;
    }

    @Override
    public List<SlotInfo> slots() {
        return slots;
    }

    @Override
    public void request(int bucket) {
        if (!outstanding.add(bucket)) {
            throw new IllegalStateException("bucket " + bucket + " is outstanding already");
        }
    }

    @Override
    public SlotRange awaitMapped(int bucket) throws PeerException, InterruptedException {
        return hub.awaitBucket(key, bucket).at();
    }

    @Override
    public long fetch(int bucket, MemorySegment landing) {
        throw new IllegalStateException("the peer is this process; await the mapped bucket instead");
    }

    @Override
    public void consumed(int bucket) throws PeerException {
        if (!outstanding.remove(bucket)) {
            throw new IllegalStateException("bucket " + bucket + " was not taken");
        }
        hub.consumed(key, bucket);
    }

    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            hub.closed(key, outstanding.isEmpty());
        }
    }
}
