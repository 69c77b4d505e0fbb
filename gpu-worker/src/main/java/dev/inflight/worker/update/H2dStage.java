package dev.inflight.worker.update;

import dev.inflight.protocol.plan.Bucket;
import dev.inflight.protocol.plan.Placement;
import dev.inflight.worker.device.HostDevice;
import dev.inflight.worker.store.StoredCheckpoint;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.function.IntConsumer;

/**
 * First stage: makes this worker's own buckets readable, in plan order. What must be in a slot is copied there from the
 * host store, and every block is checked where it landed, while it is still in the cache; what is read in the host
 * store itself is only checked.
 */
final class H2dStage implements Callable<Void> {
    private final HostDevice device;
    private final StoredCheckpoint checkpoint;
    private final List<Bucket> own;
    private final OwnBuckets places;
    private final SlotBoard board;
    private final StageTimes times;
    private final IntConsumer ready;

    /** @param ready told of every bucket once consumers can see it */
    H2dStage(
            HostDevice device,
            StoredCheckpoint checkpoint,
            List<Bucket> own,
            OwnBuckets places,
            SlotBoard board,
            StageTimes times,
            IntConsumer ready) {
        this.device = device;
        this.checkpoint = checkpoint;
        this.own = own;
        this.places = places;
        this.board = board;
        this.times = times;
        this.ready = ready;
    }

    @Override
    public Void call() throws InterruptedException {
        for (int turn = 0; turn < own.size(); turn++) {
            var bucket = own.get(turn);
            var inArena = places.inArena(bucket);
            if (inArena.isPresent()) {
                board.enterInPlace(bucket.index(), turn, inArena.get());
                check(bucket, inArena.get().bytes());
            } else {
                var slot = board.enter(bucket.index(), turn, bucket.bytes());
                bucket.placements().forEach(placement -> move(placement, slot));
            }
            board.ready(bucket.index());
            ready.accept(bucket.index());
        }
        return null;
    }

    private void check(Bucket bucket, MemorySegment bytes) {
        long start = System.nanoTime();
        for (var placement : bucket.placements()) {
            checkpoint.blocks(placement.slice()).checkAll(bytes, placement.offset());
        }
        times.verifyNanos.add(System.nanoTime() - start);
    }

    private void move(Placement placement, MemorySegment slot) {
        var source = checkpoint.bytes(placement.slice());
        var blocks = checkpoint.blocks(placement.slice());
        for (long at = 0; at < source.byteSize(); at += StoredCheckpoint.BLOCK_BYTES) {
            long length = Math.min(StoredCheckpoint.BLOCK_BYTES, source.byteSize() - at);
            long target = placement.offset() + at;
            long start = System.nanoTime();
            device.copyIn(source.asSlice(at, length), slot, target);
            long copied = System.nanoTime();
            blocks.check(at, slot.asSlice(target, length));
            times.h2dNanos.add(copied - start);
            times.verifyNanos.add(System.nanoTime() - copied);
        }
    }
}
