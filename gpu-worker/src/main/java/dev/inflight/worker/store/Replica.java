package dev.inflight.worker.store;

import dev.inflight.protocol.plan.Bucket;
import dev.inflight.protocol.plan.Part;
import dev.inflight.protocol.plan.ShardParts;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The shards of one checkpoint that this host is taking from others, part by part. Workers of the host that join the
 * same checkpoint share it: one of them brings parts at a time, all wait for them, and peers are served the parts that
 * are here. A shard whose last part has come is held from then on. What is incomplete when the last user leaves is
 * dropped. Thread-safe.
 */
public final class Replica {
    private final StoredCheckpoint checkpoint;
    private final ArenaPool arenas;
    private final Runnable changed;
    private final Leases leases = new Leases();
    private final Semaphore leader = new Semaphore(1);
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition moved = lock.newCondition();
    private final Map<Integer, Missing> missing = new HashMap<>();
    private final Set<Integer> brought;

    /** Memory of shards that came to be held in another way meanwhile, which somebody may still read. */
    private final List<ShardMemory> surplus = new ArrayList<>();

    private final AtomicLong movements = new AtomicLong();
    private int users = 1;
    private @Nullable String failure;

    /** A shard that is not complete, and which of its parts are here. */
    private record Missing(ShardParts parts, ShardMemory.Copied memory, BitSet here) {
        boolean complete() {
            return here.cardinality() == parts.parts().size();
        }
    }

    /**
     * Takes memory for all shards that the checkpoint does not hold, to be touched part by part.
     *
     * @param changed run whenever a shard came to be held or was given up
     * @throws RuntimeException with the numbers, if the memory can not be had
     */
    Replica(StoredCheckpoint checkpoint, ArenaPool arenas, Runnable changed) {
        this.checkpoint = checkpoint;
        this.arenas = arenas;
        this.changed = changed;
        var absent = checkpoint.sharding().shards().stream()
                .filter(shard -> !checkpoint.holds(shard.index()))
                .map(shard -> checkpoint.parts(shard.index()))
                .toList();
        var memory = arenas.takeUntouched(absent.stream()
                .map(parts -> Math.max(1, parts.offsets().bytes()))
                .toList());
        for (int i = 0; i < absent.size(); i++) {
            var parts = absent.get(i);
            var copied = new ShardMemory.Copied(parts.shard(), parts.offsets(), memory.get(i));
            missing.put(parts.shard().index(), new Missing(parts, copied, new BitSet()));
        }
        brought = Set.copyOf(missing.keySet());
        missing.forEach((shard, taken) -> checkpoint.comes(shard, taken.memory(), leases));
        List.copyOf(missing.values()).forEach(this::settle);
    }

    /** @return false if its last user has left already */
    boolean enter() {
        lock.lock();
        try {
            if (users == 0) {
                return false;
            }
            users++;
            return true;
        } finally {
            lock.unlock();
        }
    }

    /**
     * One user less. None of its threads may be writing to the replica, or reading what it waited for, any more.
     */
    public void leave() {
        lock.lock();
        try {
            users--;
            if (users > 0) {
                return;
            }
            fail("host " + checkpoint.host() + " has given up replicating it");
            checkpoint.ended(this, missing.keySet());
            missing.values().forEach(dropped -> surplus.add(dropped.memory()));
            missing.clear();
        } finally {
            lock.unlock();
        }
        leases.retire(() -> ShardLoader.free(surplus, arenas));
        changed.run();
    }

    /** Ends every present and later wait. The first reason stays. */
    void fail(String reason) {
        lock.lock();
        try {
            if (failure == null) {
                failure = reason;
            }
            signal();
        } finally {
            lock.unlock();
        }
    }

    /** Waits for the right to bring parts; to be given back by {@link #endLead}. */
    public void lead() throws InterruptedException {
        leader.acquire();
    }

    public void endLead() {
        leader.release();
    }

    /** Indexes of the shards that are not complete. */
    public SortedSet<Integer> coming() {
        lock.lock();
        try {
            return new TreeSet<>(missing.keySet());
        } finally {
            lock.unlock();
        }
    }

    /** Whether a part has come, or is of a shard that is held. */
    public boolean isHere(Part part) {
        lock.lock();
        try {
            var shard = missing.get(part.shard());
            return shard == null ? checkpoint.holds(part.shard()) : shard.here().get(part.index());
        } finally {
            lock.unlock();
        }
    }

    /**
     * Where a part belongs; only for the leader. Memory that is fresh is made present here, by as many threads as there
     * are readers, so that a join does not begin by waiting for all of it.
     *
     * @throws IllegalStateException if it is here already
     * @throws java.io.UncheckedIOException with the numbers, if the memory can not be had any more
     */
    public MemorySegment target(Part part) {
        var memory = memory(part);
        memory.touch(part.offset(), part.bytes());
        return memory.segment().asSlice(part.offset(), part.bytes());
    }

    private ArenaBlock memory(Part part) {
        lock.lock();
        try {
            var shard = missing.get(part.shard());
            if (shard == null || shard.here().get(part.index())) {
                throw new IllegalStateException("part " + part.index() + " of shard " + part.shard() + " is here");
            }
            return shard.memory().memory();
        } finally {
            lock.unlock();
        }
    }

    /** Something was done to bring parts: who waits, goes on waiting. */
    public void moved() {
        movements.incrementAndGet();
    }

    /**
     * All of a part has come.
     *
     * @throws CorruptBlockException if a block of it is not what was published; it then has not come
     * @throws StoreException if the checkpoint was released meanwhile
     */
    public void landed(Part part) {
        checkpoint.check(part, target(part));
        boolean settled;
        lock.lock();
        try {
            throwIfFailed();
            var shard = missing.get(part.shard());
            if (shard == null) {
                return;
            }
            shard.here().set(part.index());
            settled = settle(shard);
            signal();
        } finally {
            lock.unlock();
        }
        if (settled) {
            changed.run();
        }
    }

    /** Makes a shard held if it is complete. */
    private boolean settle(Missing shard) {
        if (!shard.complete()) {
            return false;
        }
        int index = shard.parts().shard().index();
        if (!checkpoint.came(index, shard.memory())) {
            surplus.add(shard.memory());
        }
        missing.remove(index);
        return true;
    }

    /** Whether none of a bucket was here before: every part of it is checked when it comes. */
    public boolean brings(Bucket bucket) {
        return checkpoint.parts(List.of(bucket)).stream().allMatch(part -> brought.contains(part.shard()));
    }

    /** Whether all parts of a bucket are here. */
    public boolean isHere(Bucket bucket) {
        return checkpoint.parts(List.of(bucket)).stream().allMatch(this::isHere);
    }

    /**
     * Waits until all parts of a bucket are here.
     *
     * @param patience longest time in which nothing at all comes
     * @throws StoreException if nothing came for that long, or the replica was given up
     */
    public void await(Bucket bucket, Duration patience) throws InterruptedException {
        var needed = checkpoint.parts(List.of(bucket));
        await(() -> needed.stream().allMatch(this::isHere), "bucket " + bucket.index(), patience);
    }

    /** The same for a part that a peer asks for. */
    void await(Part part, Duration patience) throws InterruptedException {
        await(() -> isHere(part), "part " + part.index() + " of shard " + part.shard(), patience);
    }

    private void await(BooleanSupplier condition, String what, Duration patience) throws InterruptedException {
        lock.lock();
        try {
            long seen = movements.get();
            long left = patience.toNanos();
            while (!condition.getAsBoolean()) {
                throwIfFailed();
                if (left <= 0 && movements.get() == seen) {
                    throw new StoreException("nothing of " + checkpoint.ref().model() + " "
                            + checkpoint.ref().version() + " came to host " + checkpoint.host() + " for "
                            + patience.toMillis() + " ms while " + what + " was waited for");
                }
                if (movements.get() != seen) {
                    seen = movements.get();
                    left = patience.toNanos();
                }
                left = moved.awaitNanos(left);
            }
        } finally {
            lock.unlock();
        }
    }

    private void throwIfFailed() {
        if (failure != null) {
            throw new StoreException(failure);
        }
    }

    private void signal() {
        movements.incrementAndGet();
        moved.signalAll();
    }
}
