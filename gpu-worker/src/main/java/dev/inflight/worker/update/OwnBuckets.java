package dev.inflight.worker.update;

import dev.inflight.protocol.plan.Bucket;
import dev.inflight.worker.device.SlotRing;
import dev.inflight.worker.store.StoredCheckpoint;
import dev.inflight.worker.transport.SlotInfo;
import dev.inflight.worker.transport.SlotRegion;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * Where a worker's own buckets are read by engines and peers. On a host without a GPU the host store's arenas are as
 * near as slots are, so a bucket that lies in an arena as it would in a slot is read there and never copied; only the
 * others go through the ring. Slots are numbered from the ring's first; arenas follow. Immutable.
 */
final class OwnBuckets {
    /** Arenas beyond this many are not worth a mapping each. */
    private static final int MOST_ARENAS = 256;

    private final List<SlotInfo> slots = new ArrayList<>();
    private final Map<Integer, SlotRegion> inArenas = new HashMap<>();

    OwnBuckets(List<Bucket> buckets, StoredCheckpoint checkpoint, SlotRing ring) {
        slots.addAll(slotsOf(ring));
        var arenas = new HashMap<Path, Integer>();
        for (var bucket : buckets) {
            checkpoint.inArena(bucket).ifPresent(range -> {
                if (arenas.size() < MOST_ARENAS || arenas.containsKey(range.path())) {
                    int slot = arenas.computeIfAbsent(range.path(), path -> {
                        int next = slots.size();
                        slots.add(new SlotInfo(
                                next, path.toString(), 0, range.arena().byteSize()));
                        return next;
                    });
                    inArenas.put(bucket.index(), new SlotRegion(slot, range.offset(), range.bytes()));
                }
            });
        }
    }

    /** A ring's slots under their own numbers. */
    static List<SlotInfo> slotsOf(SlotRing ring) {
        return IntStream.range(0, ring.count())
                .mapToObj(slot -> new SlotInfo(slot, ring.path().toString(), ring.offset(slot), ring.slotBytes()))
                .toList();
    }

    /** Everything that own buckets may lie in. */
    List<SlotInfo> slots() {
        return slots;
    }

    /** Where the bucket is read without having been moved; empty if it must be copied to a slot. */
    Optional<SlotRegion> inArena(Bucket bucket) {
        return Optional.ofNullable(inArenas.get(bucket.index()));
    }
}
