package dev.inflight.worker.store;

import dev.inflight.protocol.plan.Bucket;
import dev.inflight.protocol.plan.Part;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.List;
import java.util.SortedSet;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What this host is taking of one checkpoint from others, part by part. Workers of the host that join the same checkpoint
 * share it: one of them brings parts at a time, all wait for them, and peers are served the parts that are here. A shard
 * whose last block has come is held from then on. Of the others, when the last user leaves, those are kept of which some
 * user had all that it needed; the rest is dropped. Thread-safe.
 */
public final class Replica {
    private static final Logger LOG = LoggerFactory.getLogger(Replica.class);

    private final StoredCheckpoint checkpoint;
    private final ArenaPool arenas;
    private final Runnable changed;
    private final Semaphore leader = new Semaphore(1);
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition moved = lock.newCondition();
    private final ComingShards shards;
    private final AtomicLong movements = new AtomicLong();
    private final List<Runnable> held = new CopyOnWriteArrayList<>();
    private int users = 1;
    private @Nullable String failure;

    /**
     * Takes memory for what is needed and not held, to be touched part by part.
     *
     * @param changed run whenever a shard came to be held or was given up
     * @throws RuntimeException with the numbers, if the memory can not be had
     */
    Replica(StoredCheckpoint checkpoint, ArenaPool arenas, Runnable changed, Need need) {
        this.checkpoint = checkpoint;
        this.arenas = arenas;
        this.changed = changed;
        this.shards = new ComingShards(checkpoint);
        add(need);
    }

    /**
     * One user more; one call at a time.
     *
     * @return false if its last user has left already
     * @throws RuntimeException with the numbers, if the memory can not be had
     */
    boolean enter(Need need) {
        lock.lock();
        try {
            if (users == 0) {
                return false;
            }
            users++;
        } finally {
            lock.unlock();
        }
        try {
            add(need);
            return true;
        } catch (RuntimeException e) {
            leave();
            throw e;
        }
    }

    private void add(Need need) {
        var memory = checkpoint.memoryFor(need, arenas);
        memory.forEach(this::check);
        lock.lock();
        try {
            shards.add(memory);
            shards.expect(need.parts());
            signal();
        } finally {
            lock.unlock();
        }
    }

    /** What is kept from earlier may have been damaged since. */
    private void check(PartialShard shard) {
        int damaged = shard.forgetDamaged();
        if (damaged > 0) {
            LOG.warn(
                    "{} {}: {} blocks of shard {} that were kept are damaged and are brought again",
                    checkpoint.ref().model(),
                    checkpoint.ref().version(),
                    damaged,
                    shard.index());
        }
    }

    /**
     * One user less. None of its threads may be writing to the replica, or reading what it waited for, any more.
     */
    public void leave() {
        List<PartialShard> dropped;
        lock.lock();
        try {
            users--;
            if (users > 0) {
                return;
            }
            boolean released = failure != null;
            fail("host " + checkpoint.host() + " has given up replicating it");
            dropped = shards.end(this, !released);
        } finally {
            lock.unlock();
        }
        dropped.forEach(shard -> shard.free(arenas));
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

    /** Somebody has all that it needed: that is worth keeping, whatever becomes of others' needs. */
    public void satisfied(Need need) {
        lock.lock();
        try {
            shards.satisfied(need);
        } finally {
            lock.unlock();
        }
    }

    /** Indexes of the shards that are not complete. */
    public SortedSet<Integer> coming() {
        lock.lock();
        try {
            return shards.indexes();
        } finally {
            lock.unlock();
        }
    }

    /** What has not come of some parts: runs of blocks, each a part of its own. */
    public List<Part> missing(List<Part> parts) {
        lock.lock();
        try {
            return shards.missing(parts);
        } finally {
            lock.unlock();
        }
    }

    /** Whether a part has come, or is of a shard that is held. */
    public boolean isHere(Part part) {
        return areHere(checkpoint.blocks(part.placements()));
    }

    private boolean areHere(List<BlockRun> runs) {
        lock.lock();
        try {
            return shards.areHere(runs);
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
            return shards.memory(part);
        } finally {
            lock.unlock();
        }
    }

    /** Something was done to bring parts: who waits, goes on waiting. */
    public void moved() {
        movements.incrementAndGet();
    }

    /** Whoever brings parts is made to wait for its turn by a source: that is no stall for any who waits for parts. */
    public void heldUp() {
        moved();
        held.forEach(Runnable::run);
    }

    /**
     * @param listener run on each {@link #heldUp}; must not block
     * @return ends that
     */
    public Runnable onHeldUp(Runnable listener) {
        held.add(listener);
        return () -> held.remove(listener);
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
            settled = shards.landed(part);
            signal();
        } finally {
            lock.unlock();
        }
        if (settled) {
            changed.run();
        }
    }

    /** Whether all of a bucket is here. */
    public boolean isHere(Bucket bucket) {
        return areHere(checkpoint.blocks(bucket.placements()));
    }

    /**
     * Waits until all of a bucket is here.
     *
     * @param patience longest time in which nothing at all comes
     * @throws StoreException if nothing came for that long, or the replica was given up
     */
    public void await(Bucket bucket, Duration patience) throws InterruptedException {
        var blocks = checkpoint.blocks(bucket.placements());
        await(() -> areHere(blocks), "bucket " + bucket.index(), patience);
    }

    /**
     * The same for a part that a peer asks for.
     *
     * @return false if not all of it is needed here, so that it does not come
     */
    boolean await(Part part, Duration patience) throws InterruptedException {
        var blocks = checkpoint.blocks(part.placements());
        if (!areExpected(blocks)) {
            return false;
        }
        await(() -> areHere(blocks), "part " + part.index() + " of shard " + part.shard(), patience);
        return true;
    }

    private boolean areExpected(List<BlockRun> runs) {
        lock.lock();
        try {
            return shards.areExpected(runs);
        } finally {
            lock.unlock();
        }
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
