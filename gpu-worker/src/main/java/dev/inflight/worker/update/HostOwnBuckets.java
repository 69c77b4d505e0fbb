package dev.inflight.worker.update;

import dev.inflight.protocol.link.SlotMemory;
import dev.inflight.protocol.plan.Bucket;
import dev.inflight.protocol.plan.Placement;
import dev.inflight.worker.device.HostSlotRing;
import dev.inflight.worker.store.ArenaRange;
import dev.inflight.worker.store.StoredCheckpoint;
import dev.inflight.worker.transport.SlotInfo;
import dev.inflight.worker.transport.SlotRange;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * On a host without a GPU the host store's arenas are as near as slots are: a bucket that lies in an arena as it would
 * in a slot is read there, and only checked. The others are copied to the ring, and every block is checked where it
 * landed, while it is still in the cache. Slots are numbered from the ring's first; arenas follow.
 */
final class HostOwnBuckets implements OwnBuckets {
    /** Arenas beyond this many are not worth a mapping each. */
    private static final int MOST_ARENAS = 256;

    private final StoredCheckpoint checkpoint;
    private final HostSlotRing ring;
    private final StageTimes times;
    private final List<SlotInfo> slots;
    private final Map<Integer, Long> lengths = new HashMap<>();
    private final Map<Integer, InArena> inArenas = new HashMap<>();

    private record InArena(SlotRange at, ArenaRange range) {}

    HostOwnBuckets(List<Bucket> buckets, StoredCheckpoint checkpoint, HostSlotRing ring, StageTimes times) {
        this.checkpoint = checkpoint;
        this.ring = ring;
        this.times = times;
        this.slots = new ArrayList<>(slotsOf(ring));
        var arenas = new HashMap<Path, Integer>();
        for (var bucket : buckets) {
            lengths.put(bucket.index(), bucket.bytes());
            checkpoint.inArena(bucket).ifPresent(range -> place(bucket, range, arenas));
        }
    }

    private void place(Bucket bucket, ArenaRange range, Map<Path, Integer> arenas) {
        if (arenas.size() == MOST_ARENAS && !arenas.containsKey(range.path())) {
            return;
        }
        int slot = arenas.computeIfAbsent(range.path(), path -> {
            int next = slots.size();
            slots.add(new SlotInfo(next, path.toString(), 0, range.arena().byteSize()));
            return next;
        });
        inArenas.put(bucket.index(), new InArena(new SlotRange(slot, range.offset()), range));
    }

    /** A ring's slots under their own numbers. */
    private static List<SlotInfo> slotsOf(HostSlotRing ring) {
        return IntStream.range(0, ring.count())
                .mapToObj(slot -> new SlotInfo(slot, ring.path().toString(), ring.offset(slot), ring.slotBytes()))
                .toList();
    }

    @Override
    public List<SlotMemory> memories() {
        return slots.stream()
                .map(slot -> SlotMemory.shm(slot.path(), slot.offset(), slot.bytes()))
                .toList();
    }

    @Override
    public List<SlotInfo> slots() {
        return slots;
    }

    @Override
    public Optional<SlotRange> inPlace(Bucket bucket) {
        return Optional.ofNullable(inArenas.get(bucket.index())).map(InArena::at);
    }

    @Override
    public int ahead() {
        return 0;
    }

    @Override
    public Landing bring(Bucket bucket, SlotRange at) {
        var bytes = bytes(bucket.index(), at);
        boolean inArena = inArenas.containsKey(bucket.index());
        for (var placement : bucket.placements()) {
            if (inArena) {
                check(placement, bytes);
            } else {
                copy(placement, bytes);
            }
        }
        return Landing.DONE;
    }

    @Override
    public MemorySegment bytes(int bucket, SlotRange at) {
        var inArena = inArenas.get(bucket);
        return inArena == null
                ? ring.slot(at.slot()).asSlice(0, length(bucket))
                : inArena.range().bytes();
    }

    @Override
    public HostSlotRing ring() {
        return ring;
    }

    @Override
    public long length(int bucket) {
        var length = lengths.get(bucket);
        if (length == null) {
            throw new UpdateException("bucket " + bucket + " is not of this worker", null);
        }
        return length;
    }

    private void check(Placement placement, MemorySegment bytes) {
        long start = System.nanoTime();
        checkpoint.blocks(placement.slice()).checkAll(bytes, placement.offset());
        times.verifyNanos.add(System.nanoTime() - start);
    }

    private void copy(Placement placement, MemorySegment slot) {
        var source = checkpoint.bytes(placement.slice());
        var blocks = checkpoint.blocks(placement.slice());
        for (long at = 0; at < source.byteSize(); at += StoredCheckpoint.BLOCK_BYTES) {
            long length = Math.min(StoredCheckpoint.BLOCK_BYTES, source.byteSize() - at);
            long target = placement.offset() + at;
            long start = System.nanoTime();
            MemorySegment.copy(source, at, slot, target, length);
            long copied = System.nanoTime();
            blocks.check(at, slot.asSlice(target, length));
            times.h2dNanos.add(copied - start);
            times.verifyNanos.add(System.nanoTime() - copied);
        }
    }
}
