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
import java.util.Objects;
import java.util.Optional;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * On a host without a GPU the host store's arenas are as near as slots are: a bucket that lies in an arena as it would
 * in a slot is read there, and only checked, unless that was done when it came. The others are copied to the ring, and every block is checked where it
 * landed, while it is still in the cache; only they need a ring. Arenas are numbered first, its slots follow.
 */
final class HostOwnBuckets implements OwnBuckets {
    /** Arenas beyond this many are not worth a mapping each. */
    private static final int MOST_ARENAS = 256;

    private final StoredCheckpoint checkpoint;
    private final Presence presence;
    private final @Nullable HostSlotRing ring;
    private final int firstRingSlot;
    private final Mending mending;
    private final StageTimes times;
    private final List<SlotInfo> slots = new ArrayList<>();
    private final Map<Integer, Long> lengths = new HashMap<>();
    private final Map<Integer, InArena> inArenas = new HashMap<>();

    private record InArena(SlotRange at, ArenaRange range) {}

    /** @param takeRing called if there are buckets that must be copied */
    HostOwnBuckets(
            List<Bucket> buckets,
            StoredCheckpoint checkpoint,
            Presence presence,
            Supplier<HostSlotRing> takeRing,
            Mending mending,
            StageTimes times) {
        this.mending = mending;
        this.checkpoint = checkpoint;
        this.presence = presence;
        this.times = times;
        var arenas = new HashMap<Path, Integer>();
        for (var bucket : buckets) {
            lengths.put(bucket.index(), bucket.bytes());
            checkpoint.inArena(bucket).ifPresent(range -> place(bucket, range, arenas));
        }
        firstRingSlot = slots.size();
        ring = inArenas.size() == buckets.size() ? null : takeRing.get();
        if (ring != null) {
            addSlots(ring);
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

    private void addSlots(HostSlotRing taken) {
        for (int slot = 0; slot < taken.count(); slot++) {
            slots.add(new SlotInfo(slots.size(), taken.path().toString(), taken.offset(slot), taken.slotBytes()));
        }
    }

    @Override
    public List<SlotMemory> memories() {
        return memories(slots);
    }

    /** Slots in shared memory as an engine maps them. */
    static List<SlotMemory> memories(List<SlotInfo> slots) {
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
    public Landing bring(Bucket bucket, SlotRange at) throws InterruptedException {
        var bytes = bytes(bucket.index(), at);
        if (inArenas.containsKey(bucket.index())) {
            mending.bring(bucket, () -> check(bucket, bytes));
        } else {
            mending.bring(bucket, () -> bucket.placements().forEach(placement -> copy(placement, bytes)));
        }
        return Landing.DONE;
    }

    @Override
    public MemorySegment bytes(int bucket, SlotRange at) {
        var inArena = inArenas.get(bucket);
        return inArena == null
                ? Objects.requireNonNull(ring).slot(at.slot() - firstRingSlot).asSlice(0, length(bucket))
                : inArena.range().bytes();
    }

    @Override
    public int firstRingSlot() {
        return firstRingSlot;
    }

    @Override
    public long length(int bucket) {
        var length = lengths.get(bucket);
        if (length == null) {
            throw new UpdateException("bucket " + bucket + " is not of this worker", null);
        }
        return length;
    }

    private void check(Bucket bucket, MemorySegment bytes) {
        if (presence.isChecked(bucket)) {
            return;
        }
        long start = System.nanoTime();
        checkpoint.check(bucket, bytes);
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
