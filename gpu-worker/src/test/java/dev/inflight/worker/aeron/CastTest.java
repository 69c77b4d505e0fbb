package dev.inflight.worker.aeron;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(120)
class CastTest {
    private static final int MIB = 1 << 20;
    private static final Duration PATIENT = Duration.ofSeconds(60);
    private static final Duration RECEIVER_TIMEOUT = Duration.ofSeconds(5);

    /** More than a sender may have on its way. */
    private static final int BUCKET = 3 * MIB + 5;

    private final Path directory =
            Path.of("/dev/shm/inflight-test-cast-" + ProcessHandle.current().pid());
    private final List<AeronNode> nodes = new ArrayList<>();

    private AeronNode node() {
        return node(PATIENT);
    }

    /** @param timeout longest silence of a sender */
    private AeronNode node(Duration timeout) {
        var node = new AeronNode(
                directory.resolveSibling(directory.getFileName() + "-" + nodes.size()),
                new AeronSettings("127.0.0.1", "", 1, "", 8192, 1 << 18, 1 << 18, RECEIVER_TIMEOUT, timeout));
        nodes.add(node);
        return node;
    }

    @AfterEach
    void nothingIsLeftBehind() throws Exception {
        nodes.forEach(AeronNode::close);
        try (var left = Files.newDirectoryStream(Path.of("/dev/shm"), directory.getFileName() + "-*")) {
            assertThat(left).isEmpty();
        }
    }

    @Test
    void everyReceiverGetsEveryBucket() throws Exception {
        var first = random(BUCKET, 1);
        var second = random(7, 2);
        try (var cast = node().cast();
                var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            var receivers =
                    List.of(node().receive(cast.offer()), node().receive(cast.offer()), node().receive(cast.offer()));
            var got = receivers.stream()
                    .map(receiver -> threads.submit(() -> {
                        assertThat(read(receiver, 4, BUCKET).mismatch(first)).isEqualTo(-1);
                        assertThat(read(receiver, 9, 7).mismatch(second)).isEqualTo(-1);
                        return true;
                    }))
                    .toList();
            cast.send(4, first, PATIENT);
            cast.send(9, second, PATIENT);
            for (var one : got) {
                assertThat(one.get(60, TimeUnit.SECONDS)).isTrue();
            }
            assertThat(cast.isLive()).isTrue();
            receivers.forEach(CastReceiver::close);
        }
    }

    @Test
    void aReceiverThatDoesNotReadHoldsTheSenderBack() throws Exception {
        var bytes = random(BUCKET, 3);
        try (var cast = node().cast();
                var receiver = node().receive(cast.offer())) {
            assertThatThrownBy(() -> cast.send(0, bytes, Duration.ofMillis(500)))
                    .isInstanceOf(CastLostException.class)
                    .hasMessageContaining("no receiver took anything of bucket 0 for 500 ms");
            assertThat(cast.isLive()).isFalse();
        }
    }

    @Test
    void aReceiverThatIsGoneIsWaitedForNoLonger() throws Exception {
        var bytes = random(BUCKET, 4);
        try (var cast = node().cast();
                var stays = node().receive(cast.offer())) {
            var gone = node();
            gone.receive(cast.offer());
            gone.close();
            var got = async(() -> read(stays, 0, BUCKET));
            cast.send(0, bytes, PATIENT);
            assertThat(got.get(60, TimeUnit.SECONDS).mismatch(bytes)).isEqualTo(-1);
        }
    }

    @Test
    void aSenderThatIsGoneIsNoticed() throws Exception {
        var sender = node();
        var cast = sender.cast();
        try (var receiver = node(Duration.ofSeconds(3)).receive(cast.offer())) {
            var got = async(() -> read(receiver, 0, BUCKET));
            sender.close();
            assertThatThrownBy(() -> got.get(110, TimeUnit.SECONDS)).hasRootCauseInstanceOf(CastLostException.class);
        }
    }

    @Test
    void silenceIsNotWaitedForForEver() throws Exception {
        try (var cast = node().cast();
                var receiver = node().receive(cast.offer())) {
            assertThatThrownBy(() ->
                            receiver.read(0, MemorySegment.NULL.reinterpret(1), Duration.ofMillis(50), () -> false))
                    .isInstanceOf(CastLostException.class)
                    .hasMessageContaining("nothing of bucket 0 came");
        }
    }

    @Test
    void anotherBucketThanExpectedIsRefused() throws Exception {
        try (var cast = node().cast();
                var receiver = node().receive(cast.offer())) {
            cast.send(2, random(10, 5), PATIENT);
            assertThatThrownBy(() -> read(receiver, 3, 10))
                    .isInstanceOf(CastLostException.class)
                    .hasMessage("expected bucket 3 from byte 0 but got 10 bytes of bucket 2 from byte 0");
        }
    }

    @Test
    void whoComesLaterGetsTheNextBucketsThatItWantsAndNoOthers() throws Exception {
        var first = random(BUCKET, 6);
        var second = random(BUCKET, 7);
        try (var cast = node().cast();
                var early = node().receive(cast.offer())) {
            var one = async(() -> read(early, 0, BUCKET));
            int half = BUCKET / 2;
            cast.send(0, 0, first.asSlice(0, half), PATIENT);
            var late = node().receive(cast.offer(), 2);
            var wanted = Arena.ofAuto().allocate(BUCKET);
            var other = async(() -> {
                assertThat(late.next(bucket -> bucket == 2 ? wanted : null, PATIENT, () -> false))
                        .isEqualTo(2);
                return wanted;
            });
            cast.send(0, half, first.asSlice(half), PATIENT);
            assertThat(one.get(60, TimeUnit.SECONDS).mismatch(first)).isEqualTo(-1);
            early.close();
            cast.send(1, random(9, 8), PATIENT);
            cast.send(2, second, PATIENT);
            assertThat(other.get(60, TimeUnit.SECONDS).mismatch(second)).isEqualTo(-1);
            late.close();
        }
    }

    /** Aeron would keep it to itself. */
    @Test
    void whatKeepsMemoryFromBeingHadIsTold() throws Exception {
        try (var cast = node().cast();
                var receiver = node().receive(cast.offer())) {
            cast.send(0, random(10, 9), PATIENT);
            assertThatThrownBy(() -> receiver.next(
                            bucket -> {
                                throw new IllegalStateException("no memory for bucket " + bucket);
                            },
                            PATIENT,
                            () -> false))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessage("no memory for bucket 0");
        }
    }

    @Test
    void afterAllHaveLeftACastGoesOnForWhoIsExpected() throws Exception {
        var bytes = random(BUCKET, 10);
        try (var cast = node().cast()) {
            var first = node().receive(cast.offer());
            cast.send(0, random(10, 11), PATIENT);
            read(first, 0, 10);
            first.close();
            var second = node().receive(cast.offer());
            cast.expect();
            var got = async(() -> read(second, 1, BUCKET));
            cast.send(1, bytes, PATIENT);
            assertThat(got.get(60, TimeUnit.SECONDS).mismatch(bytes)).isEqualTo(-1);
            second.close();
        }
    }

    private interface Task {
        MemorySegment run() throws Exception;
    }

    private static CompletableFuture<MemorySegment> async(Task task) {
        var result = new CompletableFuture<MemorySegment>();
        Thread.ofVirtual().start(() -> {
            try {
                result.complete(task.run());
            } catch (Throwable e) {
                result.completeExceptionally(e);
            }
        });
        return result;
    }

    private static MemorySegment read(CastReceiver receiver, int bucket, int bytes) throws Exception {
        var target = Arena.ofAuto().allocate(bytes);
        receiver.read(bucket, target, PATIENT, () -> false);
        return target;
    }

    private static MemorySegment random(int bytes, long seed) {
        var data = new byte[bytes];
        new Random(seed).nextBytes(data);
        return Arena.ofAuto().allocateFrom(ValueLayout.JAVA_BYTE, data);
    }
}
