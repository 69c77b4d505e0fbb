package dev.inflight.worker.update;

import static org.assertj.core.api.Assertions.assertThat;

import dev.inflight.protocol.link.SlotMemory;
import dev.inflight.protocol.plan.Bucket;
import dev.inflight.worker.transport.SlotInfo;
import dev.inflight.worker.transport.SlotRange;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class H2dStageTest {
    private static final int SLOTS = 2;
    private static final int BUCKETS = 6;
    private static final Duration PATIENCE = Duration.ofMillis(500);

    private final SlotBoard board = new SlotBoard(SLOTS, 0, PATIENCE);
    private final CountDownLatch streaming = new CountDownLatch(1);
    private final BlockingQueue<Integer> ready = new LinkedBlockingQueue<>();

    @Test
    void itFillsTheSlotsAndThenWaitsForConsumersHoweverLongTheyTakeToBegin() throws Exception {
        board.join("engine");
        var buckets = IntStream.range(0, BUCKETS)
                .mapToObj(index -> new Bucket(index, index, 0, List.of(), 1))
                .toList();
        var stage = new FutureTask<>(new H2dStage(
                buckets, new Anywhere(), board, SLOTS, Presence.ALWAYS, streaming, Duration.ofSeconds(10), ready::add));
        var thread = Thread.ofPlatform().start(stage);
        for (int bucket = 0; bucket < SLOTS; bucket++) {
            assertThat(ready.poll(10, TimeUnit.SECONDS)).isEqualTo(bucket);
        }
        // Longer than the board waits for a consumer.
        thread.join(PATIENCE.multipliedBy(2));
        assertThat(stage.isDone()).isFalse();
        IntStream.range(0, SLOTS).forEach(bucket -> board.consumed(bucket, "engine"));
        streaming.countDown();
        for (int bucket = SLOTS; bucket < BUCKETS; bucket++) {
            assertThat(ready.poll(10, TimeUnit.SECONDS)).isEqualTo(bucket);
            board.consumed(bucket, "engine");
        }
        stage.get(10, TimeUnit.SECONDS);
    }

    @Test
    void whatIsOnItsWayIsAnnouncedWhileTheNextBucketsBytesHaveYetToCome() throws Exception {
        board.join("engine");
        var buckets = IntStream.range(0, 2)
                .mapToObj(index -> new Bucket(index, index, 0, List.of(), 1))
                .toList();
        var come = new CountDownLatch(1);
        var presence = new Presence() {
            @Override
            public boolean isHere(Bucket bucket) {
                return bucket.index() == 0 || come.getCount() == 0;
            }

            @Override
            public boolean isChecked(Bucket bucket) {
                return false;
            }

            @Override
            public void await(Bucket bucket) throws InterruptedException {
                if (bucket.index() > 0) {
                    come.await();
                }
            }
        };
        var stage = new FutureTask<>(new H2dStage(
                buckets, new Anywhere(), board, SLOTS, presence, streaming, Duration.ofSeconds(10), ready::add));
        Thread.ofPlatform().start(stage);
        assertThat(ready.poll(10, TimeUnit.SECONDS)).isZero();
        come.countDown();
        assertThat(ready.poll(10, TimeUnit.SECONDS)).isEqualTo(1);
        stage.get(10, TimeUnit.SECONDS);
    }

    /** Buckets that need no moving. */
    private static final class Anywhere implements OwnBuckets {
        @Override
        public int firstRingSlot() {
            return 0;
        }

        @Override
        public long length(int bucket) {
            return 1;
        }

        @Override
        public List<SlotMemory> memories() {
            return List.of();
        }

        @Override
        public List<SlotInfo> slots() {
            return List.of();
        }

        @Override
        public Optional<SlotRange> inPlace(Bucket bucket) {
            return Optional.empty();
        }

        @Override
        public int ahead() {
            return 1;
        }

        @Override
        public Landing bring(Bucket bucket, SlotRange at) {
            return Landing.DONE;
        }

        @Override
        public MemorySegment bytes(int bucket, SlotRange at) {
            return MemorySegment.NULL;
        }
    }
}
