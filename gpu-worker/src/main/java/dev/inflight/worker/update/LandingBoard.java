package dev.inflight.worker.update;

import dev.inflight.protocol.plan.Bucket;
import dev.inflight.worker.transport.SlotRange;
import java.time.Duration;
import java.util.List;

/** The landing slots of one update: one ring for all remote owners, taken in plan order. Thread-safe. */
final class LandingBoard {
    private final LandingSlots slots;
    private final SlotBoard board;
    private final Duration patience;
    private int[] turns = {};

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
        turns = new int[buckets];
        for (int turn = 0; turn < inPlanOrder.size(); turn++) {
            turns[inPlanOrder.get(turn).index()] = turn;
        }
    }

    /** Waits for the bucket's slot. */
    int enter(int bucket) throws InterruptedException {
        return board.enter(bucket, turns[bucket]).slot();
    }

    /** The bucket is in its slot and verified. */
    void landed(int bucket, Incoming.Located located) {
        board.ready(bucket);
        var at = new SlotRange(board.at(bucket).slot(), 0);
        located.at(bucket, at, () -> board.consumed(bucket, UpdateSession.SELF));
    }

    void fail(String reason) {
        board.fail(reason);
    }
}
