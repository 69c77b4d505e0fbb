package dev.inflight.worker.store;

import dev.inflight.worker.device.Pinning;
import dev.inflight.worker.device.SharedMemory;
import dev.inflight.worker.device.ShmNames;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import org.jspecify.annotations.Nullable;

/**
 * Shared memory for shards, kept when a shard is released: the next version is nearly always of the same size, and
 * touching fresh shared memory costs more than reading the checkpoint. Thread-safe.
 */
final class ArenaPool implements AutoCloseable {
    /** An idle arena more than this many times too large is left for a larger shard. */
    private static final int MOST_WASTE = 2;

    private final ShmNames names;
    private final Pinning pinning;
    private final LongAdder touchNanos = new LongAdder();
    private @Nullable WarmArena warm;
    private boolean closed;
    private final TreeSet<SharedMemory> idle = new TreeSet<>(Comparator.comparingLong(SharedMemory::bytes)
            .thenComparing(m -> m.path().toString()));

    /**
     * A block that is to be had.
     *
     * @param used bytes of it that will be touched
     */
    record Wish(long bytes, long used) {}

    ArenaPool(ShmNames names, Pinning pinning) {
        this.names = names;
        this.pinning = pinning;
    }

    /**
     * Makes memory ready now, so that nobody waits for it later.
     *
     * @throws java.io.UncheckedIOException with the numbers, if the memory can not be had
     */
    void warm(long bytes) {
        var made = fresh(bytes);
        synchronized (this) {
            warm = new WarmArena(made);
        }
    }

    /** @throws java.io.UncheckedIOException with the numbers, if the memory can not be had */
    ArenaBlock take(long bytes) {
        return takeReady(bytes).orElseGet(() -> whole(fresh(bytes)));
    }

    /**
     * Memory whose pages are not all there yet: {@link ArenaBlock#touch} is to be called for what is written, before it
     * is. Memory that devices copy from is all there, since it can not be pinned otherwise.
     *
     * @param alsoWanted bytes of blocks taken earlier that will be touched as well
     * @throws java.io.UncheckedIOException with the numbers, if the memory can not be had for all of them
     */
    List<ArenaBlock> takeUntouched(List<Wish> wishes, long alsoWanted) {
        var taken = new ArrayList<ArenaBlock>();
        try {
            long wanted = alsoWanted;
            if (wanted > 0) {
                SharedMemory.requireRoom(names.fresh("arena"), wanted);
            }
            for (var wish : wishes) {
                var block = takeReady(wish.bytes()).orElse(null);
                if (block == null && Pinning.NONE.equals(pinning)) {
                    // What was created a moment ago is not missing in the machine's numbers yet.
                    wanted += wish.used();
                    block = whole(SharedMemory.createUntouched(names.fresh("arena"), wish.bytes(), wanted));
                }
                taken.add(block == null ? whole(fresh(wish.bytes())) : block);
            }
            return taken;
        } catch (RuntimeException e) {
            taken.forEach(this::give);
            throw e;
        }
    }

    private SharedMemory fresh(long bytes) {
        var fresh = SharedMemory.create(names.fresh("arena"), bytes, pinning);
        touchNanos.add(fresh.touchNanos());
        return fresh;
    }

    private static ArenaBlock whole(SharedMemory memory) {
        return new ArenaBlock(memory, 0, memory.bytes());
    }

    /** Time spent so far on making fresh memory present. */
    long touchMicros() {
        return TimeUnit.NANOSECONDS.toMicros(touchNanos.sum());
    }

    /** Memory that is there and of no shard. */
    synchronized long freeBytes() {
        return (warm == null ? 0 : warm.freeBytes())
                + idle.stream().mapToLong(SharedMemory::bytes).sum();
    }

    private synchronized Optional<ArenaBlock> takeReady(long bytes) {
        var ready = warm == null ? Optional.<ArenaBlock>empty() : warm.take(bytes);
        return ready.or(() -> takeIdle(bytes).map(ArenaPool::whole));
    }

    private Optional<SharedMemory> takeIdle(long bytes) {
        var fit = idle.stream()
                .filter(memory -> memory.bytes() >= bytes && memory.bytes() / MOST_WASTE <= bytes)
                .findFirst();
        fit.ifPresent(idle::remove);
        if (fit.isEmpty()) {
            // What fits nothing now would only pile up.
            dropIdle();
        }
        return fit;
    }

    synchronized void give(ArenaBlock block) {
        if (warm != null && warm.owns(block)) {
            warm.give(block);
        } else if (closed || !block.file().isTouched()) {
            // Whoever takes idle memory may rely on its being there.
            block.file().close();
        } else {
            idle.add(block.file());
        }
    }

    @Override
    public synchronized void close() {
        closed = true;
        dropIdle();
        if (warm != null) {
            warm.close();
            warm = null;
        }
    }

    private void dropIdle() {
        idle.forEach(SharedMemory::close);
        idle.clear();
    }
}
