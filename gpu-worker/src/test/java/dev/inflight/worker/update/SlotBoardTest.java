package dev.inflight.worker.update;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;

class SlotBoardTest {
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    private int[] memory = {};

    private SlotBoard board(int slots, Duration patience) {
        memory = new int[slots];
        return new SlotBoard(slots, 0, patience);
    }

    @Test
    void noSlotIsOverwrittenWhileAConsumerReadsItWhateverTheirPace() throws Exception {
        int buckets = 500;
        var consumers = List.of("a", "b", "c");
        var board = board(3, PATIENCE);
        consumers.forEach(board::join);
        try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            var tasks = new ArrayList<Future<Void>>();
            tasks.add(threads.submit(writer(board, buckets)));
            for (int i = 0; i < consumers.size(); i++) {
                tasks.add(threads.submit(reader(board, consumers.get(i), buckets, i)));
            }
            for (var task : tasks) {
                task.get();
            }
        }
    }

    private Callable<Void> writer(SlotBoard board, int buckets) {
        return () -> {
            for (int bucket = 0; bucket < buckets; bucket++) {
                memory[board.enter(bucket, bucket).slot()] = bucket;
                board.ready(bucket);
            }
            return null;
        };
    }

    private Callable<Void> reader(SlotBoard board, String name, int buckets, long seed) {
        return () -> {
            var pace = new Random(seed);
            for (int bucket = 0; bucket < buckets; bucket++) {
                board.awaitReady(bucket);
                for (int spin = pace.nextInt(20); spin > 0; spin--) {
                    Thread.yield();
                }
                assertThat(memory[board.at(bucket).slot()]).isEqualTo(bucket);
                board.consumed(bucket, name);
            }
            return null;
        };
    }

    @Test
    void aConsumerThatLeavesIsNotWaitedFor() throws Exception {
        var board = board(1, PATIENCE);
        board.join("stays");
        board.join("leaves");
        board.enter(0, 0);
        board.ready(0);
        board.consumed(0, "stays");
        try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            var next = threads.submit(() -> board.enter(1, 1));
            board.leave("leaves");
            assertThat(next.get().slot()).isZero();
        }
        board.ready(1);
        board.consumed(1, "stays");
        board.enter(2, 2);
        assertThat(board.isConsumer("leaves")).isFalse();
        assertThatThrownBy(() -> board.requireConsumer("leaves")).isInstanceOf(UpdateException.class);
        board.leave("leaves");
    }

    @Test
    void turnsTakenOutOfOrderStillLandInPlanOrder() throws Exception {
        var board = board(1, PATIENCE);
        board.join("engine");
        try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            var late = threads.submit(() -> {
                board.enter(11, 1);
                board.ready(11);
                return null;
            });
            board.enter(10, 0);
            board.ready(10);
            assertThat(board.awaitReady(10).slot()).isZero();
            board.consumed(10, "engine");
            late.get();
            assertThat(board.awaitReady(11).slot()).isZero();
        }
    }

    @Test
    void aConsumerThatNeverLetsGoEndsTheWaitAndIsNamed() throws Exception {
        var board = board(1, Duration.ofMillis(50));
        board.join("worker-7/0");
        board.enter(0, 0);
        board.ready(0);
        assertThatThrownBy(() -> board.enter(1, 1))
                .isInstanceOf(UpdateException.class)
                .hasMessageContaining("held by worker-7/0");
    }

    @Test
    void whoHoldsOnWaitsForSoLongAndNoLonger() throws Exception {
        var board = board(1, Duration.ofMillis(50));
        board.join("worker-7/0");
        board.enter(0, 0);
        board.ready(0);
        var time = Duration.ofMillis(400);
        long begin = System.nanoTime();
        board.holdOn(time);
        assertThatThrownBy(() -> board.enter(1, 1)).hasMessageContaining("held by worker-7/0");
        assertThat(Duration.ofNanos(System.nanoTime() - begin)).isGreaterThan(time.minusMillis(50));
    }

    @Test
    void aFailureEndsEveryWait() throws Exception {
        var board = board(1, PATIENCE);
        board.join("engine");
        try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            var waiting = threads.submit(() -> board.awaitReady(3));
            board.fail("the coordinator said so");
            assertThatThrownBy(waiting::get).hasRootCauseMessage("the coordinator said so");
        }
        assertThatThrownBy(() -> board.enter(0, 0)).hasMessage("the coordinator said so");
    }

    @Test
    void aConsumerMayNotJoinOnceStreamingBegan() throws Exception {
        var board = board(1, PATIENCE);
        board.enter(0, 0);
        assertThatThrownBy(() -> board.join("late")).isInstanceOf(UpdateException.class);
    }
}
