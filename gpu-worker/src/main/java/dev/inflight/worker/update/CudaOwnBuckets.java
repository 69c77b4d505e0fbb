package dev.inflight.worker.update;

import dev.inflight.protocol.link.SlotMemory;
import dev.inflight.protocol.plan.Bucket;
import dev.inflight.worker.device.CudaSlotRing;
import dev.inflight.worker.device.HostSlotRing;
import dev.inflight.worker.device.Lazy;
import dev.inflight.worker.store.StoredCheckpoint;
import dev.inflight.worker.transport.SlotInfo;
import dev.inflight.worker.transport.SlotRange;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import java.util.stream.IntStream;

/**
 * Own buckets of a GPU: copied to its slots from pinned host memory on one stream and checked there on another.
 */
final class CudaOwnBuckets implements OwnBuckets {
    private final StoredCheckpoint checkpoint;
    private final CudaSlotRing ring;
    private final CudaLane lane;
    private final CudaBlockCheck check;
    private final Mending mending;
    private final StageTimes times;
    private final Map<Integer, Bucket> buckets = new HashMap<>();
    private final Lazy<HostCopies> hostCopies;

    /** @param hostRing takes a ring of host memory like {@code ring}, for peers that want bytes */
    CudaOwnBuckets(
            List<Bucket> buckets,
            StoredCheckpoint checkpoint,
            CudaSlotRing ring,
            CudaLane lane,
            CudaBlockCheck check,
            Supplier<HostSlotRing> hostRing,
            Mending mending,
            StageTimes times) {
        this.mending = mending;
        this.checkpoint = checkpoint;
        this.ring = ring;
        this.lane = lane;
        this.check = check;
        this.times = times;
        this.hostCopies = new Lazy<>(() -> new HostCopies(hostRing.get()));
        buckets.forEach(bucket -> this.buckets.put(bucket.index(), bucket));
    }

    /** The slots, for copies between GPUs of this process. */
    CudaSlotRing ring() {
        return ring;
    }

    @Override
    public int firstRingSlot() {
        return 0;
    }

    @Override
    public long length(int bucket) {
        return bucket(bucket).bytes();
    }

    private Bucket bucket(int index) {
        var bucket = buckets.get(index);
        if (bucket == null) {
            throw new UpdateException("bucket " + index + " is not of this worker", null);
        }
        return bucket;
    }

    @Override
    public List<SlotMemory> memories() {
        return IntStream.range(0, ring.count()).mapToObj(ring::memory).toList();
    }

    @Override
    public List<SlotInfo> slots() {
        var uuid = ring.buffer().context().gpu().uuid();
        return IntStream.range(0, ring.count())
                .mapToObj(slot -> new SlotInfo(slot, uuid, ring.offset(slot), ring.slotBytes()))
                .toList();
    }

    @Override
    public Optional<SlotRange> inPlace(Bucket bucket) {
        return Optional.empty();
    }

    /** All slots but the one that is waited for may be on their way: the link to the host never rests. */
    @Override
    public int ahead() {
        return ring.count() - 1;
    }

    @Override
    public Landing bring(Bucket bucket, SlotRange at) {
        return new Copied(bucket, ring.offset(at.slot()) + at.offset());
    }

    /** A bucket on its way to a slot. If it comes damaged it is copied again. */
    private final class Copied implements Landing {
        private final Bucket bucket;
        private final long base;
        private CudaLane.Copies copies;
        private CudaBlockCheck.Started checked;
        private boolean awaited;

        Copied(Bucket bucket, long base) {
            this.bucket = bucket;
            this.base = base;
            this.copies = copy();
            this.checked = check();
        }

        private CudaLane.Copies copy() {
            var begun = lane.begin();
            copyIn(bucket, base);
            begun.end();
            return begun;
        }

        private CudaBlockCheck.Started check() {
            return check.start(bucket, copies.ended(), ring.buffer(), base);
        }

        @Override
        public void await(Duration patience) throws InterruptedException {
            mending.bring(bucket, () -> {
                if (awaited) {
                    again();
                }
                awaited = true;
                checked.await(patience);
            });
            times.moved(bucket.index(), copies.span());
        }

        private void again() {
            var before = copies;
            var checkedBefore = checked;
            copies = copy();
            checked = check();
            checkedBefore.close();
            before.close();
        }

        @Override
        public void close() {
            checked.close();
            copies.close();
        }
    }

    /** What lies side by side in host memory as it shall in the slot is one copy: hundreds of small ones cost time. */
    private void copyIn(Bucket bucket, long base) {
        var run = MemorySegment.NULL;
        long to = base;
        for (var placement : bucket.placements()) {
            var next = checkpoint.bytes(placement.slice());
            long target = base + placement.offset();
            if (target == to + run.byteSize() && next.address() == run.address() + run.byteSize()) {
                run = run.reinterpret(run.byteSize() + next.byteSize());
            } else {
                lane.stream().copyIn(run, ring.buffer(), to);
                run = next;
                to = target;
            }
        }
        lane.stream().copyIn(run, ring.buffer(), to);
    }

    @Override
    public MemorySegment bytes(int index, SlotRange at) {
        var bucket = bucket(index);
        var arena = checkpoint.inArena(bucket);
        return arena.isPresent() ? arena.get().bytes() : hostCopies.get().of(bucket, at.slot());
    }

    /** Buckets put together in host memory as they lie in the slots, each as long as it holds its slot. */
    private final class HostCopies {
        private final HostSlotRing copies;
        private final int[] held;

        HostCopies(HostSlotRing copies) {
            this.copies = copies;
            this.held = new int[copies.count()];
            Arrays.fill(held, -1);
        }

        synchronized MemorySegment of(Bucket bucket, int slot) {
            var copy = copies.slot(slot).asSlice(0, bucket.bytes());
            if (held[slot] != bucket.index()) {
                for (var placement : bucket.placements()) {
                    var source = checkpoint.bytes(placement.slice());
                    MemorySegment.copy(source, 0, copy, placement.offset(), source.byteSize());
                }
                held[slot] = bucket.index();
            }
            return copy;
        }
    }
}
