package dev.inflight.worker.update;

import dev.inflight.protocol.plan.Bucket;
import dev.inflight.worker.transport.SlotRange;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * A ring of landing slots of one update. Its turns are in plan order over all buckets that are expected to land there;
 * without such expectations they are in the order in which buckets come. Thread-safe.
 */
final class LandingBoard implements StallWait {
    private final LandingSlots slots;
    private final SlotBoard board;
    private final Duration patience;
    private final AtomicInteger came = new AtomicInteger();
    private final Map<Integer, Integer> entered = new ConcurrentHashMap<>();
    private int @Nullable [] turns;

    LandingBoard(LandingSlots slots, Duration patience) {
        this.slots = slots;
        this.patience = patience;
        this.board = new SlotBoard(slots.ring().count(), 0, patience);
        board.join(UpdateSession.SELF);
    }

    LandingSlots slots() {
        return slots;
    }

    Duration patience() {
        return patience;
    }

    /** Says which buckets will land, before the first does. */
    void expect(List<Bucket> inPlanOrder, int buckets) {
        var expected = new int[buckets];
        for (int turn = 0; turn < inPlanOrder.size(); turn++) {
            expected[inPlanOrder.get(turn).index()] = turn;
        }
        turns = expected;
    }

    /** Waits for the bucket's slot. One that has it already, but never landed, keeps it. */
    int enter(int bucket) throws InterruptedException {
        var known = entered.get(bucket);
        if (known != null) {
            return known;
        }
        var expected = turns;
        int turn = expected == null ? came.getAndIncrement() : expected[bucket];
        int slot = board.enter(bucket, turn).slot();
        entered.put(bucket, slot);
        return slot;
    }

    /** The bucket is in its slot and verified. */
    void landed(int bucket, Incoming.Located located) {
        landed(bucket);
        var at = new SlotRange(board.at(bucket).slot(), 0);
        located.at(bucket, at, () -> consumed(bucket));
    }

    void landed(int bucket) {
        entered.remove(bucket);
        board.ready(bucket);
    }

    /** Its slot is free again. */
    void consumed(int bucket) {
        board.consumed(bucket, UpdateSession.SELF);
    }

    @Override
    public void holdUp(boolean now) {
        board.holdUp(now);
    }

    @Override
    public void holdOn(Duration time) {
        board.holdOn(time);
    }

    void fail(String reason) {
        board.fail(reason);
    }
}
