package dev.inflight.worker.update;

import dev.inflight.protocol.plan.Bucket;
import dev.inflight.worker.transport.SlotRange;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.function.IntConsumer;

/**
 * First stage: makes this worker's own buckets readable, in plan order, several of them on their way at a time. It may
 * start before anybody consumes: it then fills the slots and waits, without a bound of its own, for streaming to begin.
 */
final class H2dStage implements Callable<Void> {
    private final List<Bucket> buckets;
    private final OwnBuckets own;
    private final SlotBoard board;
    private final int slots;
    private final Presence presence;
    private final CountDownLatch streaming;
    private final Duration patience;
    private final IntConsumer ready;
    private final Deque<Started> started = new ArrayDeque<>();

    private record Started(int bucket, Landing landing) {}

    /**
     * @param slots buckets that the board takes before any is consumed
     * @param presence whether buckets can be brought yet
     * @param streaming counted down when consumers are there
     * @param patience longest wait for a bucket
     * @param ready told of every bucket once consumers can see it
     */
    H2dStage(
            List<Bucket> buckets,
            OwnBuckets own,
            SlotBoard board,
            int slots,
            Presence presence,
            CountDownLatch streaming,
            Duration patience,
            IntConsumer ready) {
        this.buckets = buckets;
        this.own = own;
        this.board = board;
        this.slots = slots;
        this.presence = presence;
        this.streaming = streaming;
        this.patience = patience;
        this.ready = ready;
    }

    @Override
    public Void call() throws InterruptedException {
        try {
            for (int turn = 0; turn < buckets.size(); turn++) {
                if (turn == slots) {
                    awaitStreaming();
                }
                var bucket = buckets.get(turn);
                awaitPresence(bucket);
                started.add(new Started(bucket.index(), own.bring(bucket, enter(bucket, turn))));
                if (started.size() > own.ahead()) {
                    finishOldest();
                }
            }
            while (!started.isEmpty()) {
                finishOldest();
            }
            return null;
        } finally {
            started.forEach(left -> left.landing().close());
        }
    }

    private void awaitStreaming() throws InterruptedException {
        while (streaming.getCount() > 0 && !started.isEmpty()) {
            finishOldest();
        }
        streaming.await();
    }

    /** What is on its way already does not wait for bytes that have yet to come. */
    private void awaitPresence(Bucket bucket) throws InterruptedException {
        while (!started.isEmpty() && !presence.isHere(bucket)) {
            finishOldest();
        }
        presence.await(bucket);
    }

    private SlotRange enter(Bucket bucket, int turn) throws InterruptedException {
        var inPlace = own.inPlace(bucket);
        if (inPlace.isEmpty()) {
            return board.enter(bucket.index(), turn);
        }
        board.enterInPlace(bucket.index(), turn, inPlace.get());
        return inPlace.get();
    }

    private void finishOldest() throws InterruptedException {
        var oldest = started.remove();
        try (var landing = oldest.landing()) {
            landing.await(patience);
            board.ready(oldest.bucket());
            ready.accept(oldest.bucket());
        }
    }
}
