package dev.inflight.worker.update;

import dev.inflight.worker.transport.SlotRange;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;

/**
 * Which bucket is in which slot of a ring, and who still needs it. The bucket of turn n goes to slot n mod K once every
 * consumer has let go of the bucket of turn n - K: a slot is never overwritten while anybody reads it. A bucket that
 * consumers can read where the host store keeps it takes the slot's turn without its memory. Turns follow the
 * plan's order, and so do all consumers; whoever holds the lowest turn can therefore always go on.
 *
 * <p>Thread-safe. Every wait ends: with what it waited for, after {@code patience} without any movement on the board
 * while it is neither held up nor holds on, or with the failure given to {@link #fail}.
 */
public final class SlotBoard implements StallWait {
    private static final int FREE = -1;

    private final int firstSlot;
    private final Duration patience;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition moved = lock.newCondition();
    private final Map<Integer, Entry> buckets = new HashMap<>();
    private final Set<String> consumers = new HashSet<>();
    private final int[] occupant;
    private final int[] laps;
    private long movements;
    private boolean sealed;
    private boolean heldUp;
    private long heldOnUntil = System.nanoTime();
    private @Nullable String failure;

    private static final class Entry {
        final int turnSlot;
        final SlotRange at;
        final Set<String> waiting;
        boolean ready;

        Entry(int turnSlot, SlotRange at, Set<String> consumers) {
            this.turnSlot = turnSlot;
            this.at = at;
            this.waiting = new HashSet<>(consumers);
        }
    }

    /**
     * @param slots number of slots of the ring
     * @param firstSlot number of the first of them where slots of several rings are counted together
     * @param patience longest wait without movement
     */
    public SlotBoard(int slots, int firstSlot, Duration patience) {
        this.firstSlot = firstSlot;
        this.patience = patience;
        this.occupant = new int[slots];
        this.laps = new int[slots];
        Arrays.fill(occupant, FREE);
    }

    /**
     * Adds a consumer of every bucket; only before the first bucket enters.
     *
     * @throws UpdateException if buckets have entered already
     */
    public void join(String consumer) {
        lock.lock();
        try {
            if (sealed) {
                throw new UpdateException("consumer " + consumer + " came after streaming had begun", consumer);
            }
            consumers.add(consumer);
        } finally {
            lock.unlock();
        }
    }

    /** A consumer takes no more buckets, those that wait for it included. Saying so twice changes nothing. */
    public void leave(String consumer) {
        lock.lock();
        try {
            if (consumers.remove(consumer)) {
                Map.copyOf(buckets).forEach((bucket, entry) -> {
                    entry.waiting.remove(consumer);
                    freeIfDone(bucket, entry);
                });
                signal();
            }
        } finally {
            lock.unlock();
        }
    }

    /** Whether it has joined and not left. */
    boolean isConsumer(String consumer) {
        lock.lock();
        try {
            return consumers.contains(consumer);
        } finally {
            lock.unlock();
        }
    }

    /** @throws UpdateException if that consumer did not join */
    void requireConsumer(String consumer) {
        lock.lock();
        try {
            if (!consumers.contains(consumer)) {
                throw new UpdateException(consumer + " is no consumer of these buckets", consumer);
            }
        } finally {
            lock.unlock();
        }
    }

    /**
     * Takes the slot of a turn for a bucket, waiting until it is free. The bucket is not visible before {@link #ready}.
     *
     * @param turn position among the buckets of this board, from 0 without gaps
     */
    public SlotRange enter(int bucket, int turn) throws InterruptedException {
        return enter(bucket, turn, slot -> new SlotRange(firstSlot + slot, 0));
    }

    /**
     * Takes a turn for a bucket that stays where it is. It waits like any other, so that no consumer falls further
     * behind than there are slots.
     */
    public void enterInPlace(int bucket, int turn, SlotRange at) throws InterruptedException {
        enter(bucket, turn, slot -> at);
    }

    private SlotRange enter(int bucket, int turn, IntFunction<SlotRange> where) throws InterruptedException {
        lock.lock();
        try {
            sealed = true;
            int slot = turn % occupant.length;
            int lap = turn / occupant.length;
            await(() -> laps[slot] == lap && occupant[slot] == FREE, "slot " + slot + " to be released");
            laps[slot]++;
            occupant[slot] = bucket;
            var at = where.apply(slot);
            buckets.put(bucket, new Entry(slot, at, consumers));
            return at;
        } finally {
            lock.unlock();
        }
    }

    /** Makes a bucket that has entered visible to its consumers. */
    public void ready(int bucket) {
        lock.lock();
        try {
            var entry = buckets.get(bucket);
            if (entry == null) {
                throw new IllegalStateException("bucket " + bucket + " has not entered");
            }
            entry.ready = true;
            freeIfDone(bucket, entry);
            signal();
        } finally {
            lock.unlock();
        }
    }

    /** Waits until a bucket is visible and returns where it lies. */
    public SlotRange awaitReady(int bucket) throws InterruptedException {
        lock.lock();
        try {
            await(() -> isReady(bucket), "bucket " + bucket);
            return at(bucket);
        } finally {
            lock.unlock();
        }
    }

    private boolean isReady(int bucket) {
        var entry = buckets.get(bucket);
        return entry != null && entry.ready;
    }

    /** Where a visible bucket lies. */
    public SlotRange at(int bucket) {
        lock.lock();
        try {
            var entry = buckets.get(bucket);
            if (entry == null || !entry.ready) {
                throw new UpdateException("bucket " + bucket + " is not in a slot", null);
            }
            return entry.at;
        } finally {
            lock.unlock();
        }
    }

    /** A consumer has no more use for a bucket. Saying so twice changes nothing. */
    public void consumed(int bucket, String consumer) {
        lock.lock();
        try {
            var entry = buckets.get(bucket);
            if (entry != null && entry.waiting.remove(consumer)) {
                freeIfDone(bucket, entry);
                signal();
            }
        } finally {
            lock.unlock();
        }
    }

    private void freeIfDone(int bucket, Entry entry) {
        if (entry.ready && entry.waiting.isEmpty()) {
            buckets.remove(bucket);
            occupant[entry.turnSlot] = FREE;
        }
    }

    @Override
    public void holdUp(boolean now) {
        lock.lock();
        try {
            heldUp = now;
            signal();
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void holdOn(Duration time) {
        lock.lock();
        try {
            heldOnUntil = System.nanoTime() + time.toNanos();
        } finally {
            lock.unlock();
        }
    }

    /** Ends every present and later wait with {@code reason}; the first reason stays. */
    public void fail(String reason) {
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

    private void signal() {
        movements++;
        moved.signalAll();
    }

    private void await(BooleanSupplier condition, String what) throws InterruptedException {
        long seen = movements;
        long left = patience.toNanos();
        while (failure == null && !condition.getAsBoolean()) {
            if (left <= 0) {
                left = heldUp ? patience.toNanos() : heldOnUntil - System.nanoTime();
            }
            if (left <= 0) {
                throw new UpdateException(
                        "nothing moved for " + patience.toMillis() + " ms while waiting for " + what + laggards(),
                        null);
            }
            left = moved.awaitNanos(left);
            if (movements != seen) {
                seen = movements;
                left = patience.toNanos();
            }
        }
        if (failure != null) {
            throw new UpdateException(failure, null);
        }
    }

    private String laggards() {
        var late = new TreeSet<String>();
        buckets.values().stream().filter(e -> e.ready).forEach(e -> late.addAll(e.waiting));
        return late.isEmpty() ? "" : ", held by " + String.join(", ", late);
    }
}
