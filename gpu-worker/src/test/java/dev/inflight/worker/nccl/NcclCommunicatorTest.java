package dev.inflight.worker.nccl;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class NcclCommunicatorTest {
    private static final Duration PATIENT = Duration.ofSeconds(20);
    private static final Duration IMPATIENT = Duration.ofMillis(100);
    private static final NcclId ID = id();
    private static final int FOR_EVER = -1;

    @TempDir
    static Path directory;

    private static FakeNccl fake;
    private static NcclLibrary library;

    @BeforeAll
    static void load() throws Exception {
        fake = FakeNccl.build(directory);
        library = NcclLibrary.load(fake.file);
    }

    @BeforeEach
    void reset() {
        fake.reset();
    }

    @AfterEach
    void nothingWasUsedAfterItsEnd() {
        if (fake != null) {
            assertThat(fake.get("used_after_free")).isZero();
        }
    }

    @Test
    void passesTheIdByValueAndTheOldestConfigThatIsNonBlocking() {
        create(PATIENT);
        assertThat(fake.calls()).isEqualTo("init(4,3);");
        assertThat(fake.seenId()).isEqualTo(ID.bytes());
        MemorySegment config = fake.seenConfig();
        assertThat(config.get(JAVA_LONG, 0)).isEqualTo(24);
        assertThat(config.get(JAVA_INT, 8)).isEqualTo(0xcafebeef);
        assertThat(config.get(JAVA_INT, 12)).isEqualTo(21400);
        assertThat(config.get(JAVA_INT, 16)).isZero();
        assertThat(config.get(JAVA_INT, 20)).isEqualTo(Integer.MIN_VALUE);
    }

    @Test
    void waitsForTheOtherRanks() {
        fake.set("init_polls", 20);
        assertThatCode(() -> create(PATIENT).check()).doesNotThrowAnyException();
    }

    @Test
    void abortsWhenTheOtherRanksDoNotComeInTime() {
        fake.set("init_polls", FOR_EVER);
        assertThatThrownBy(() -> create(IMPATIENT))
                .isInstanceOf(NcclException.class)
                .hasMessage("NCCL rank 3 of 4: ncclCommInitRankConfig: NCCL operation in progress (7); "
                        + "still so after 100 ms");
        assertThat(fake.calls()).isEqualTo("init(4,3);abort;");
    }

    @Test
    void abortsWhenJoiningFails() {
        fake.set("init_polls", FOR_EVER);
        fake.set("async_result", 6);
        fake.lastError("socketProgress: Connection closed by remote peer\n");
        assertThatThrownBy(() -> create(PATIENT))
                .isInstanceOf(NcclException.class)
                .hasMessage("NCCL rank 3 of 4: ncclCommInitRankConfig: remote process exited or there was a network "
                        + "error (6); NCCL's last error: socketProgress: Connection closed by remote peer");
        assertThat(fake.calls()).isEqualTo("init(4,3);abort;");
    }

    @Test
    void doesNotAbortWhatNcclNeverMade() {
        fake.set("init_null", 1);
        fake.set("init_result", 4);
        assertThatThrownBy(() -> create(PATIENT)).hasMessageContaining("invalid argument (4)");
        assertThat(fake.calls()).isEqualTo("init(4,3);");
    }

    @Test
    void broadcastsInPlaceAsBytes() {
        fake.set("broadcast_polls", 3);
        create(PATIENT).broadcast(0x7f00_dead_0000L, 5L << 32, 2, 0xabcdef12345L);
        assertThat(fake.calls())
                .isEqualTo("init(4,3);broadcast(7f00dead0000,7f00dead0000,21474836480,1,2,abcdef12345);");
    }

    @Test
    void broadcastsSpansAsOneGroup() {
        var spans = List.of(new NcclCommunicator.Span(0x1000, 16), new NcclCommunicator.Span(0x2000, 32));
        create(PATIENT).broadcast(spans, 0, 0);
        assertThat(fake.calls())
                .isEqualTo("init(4,3);start;broadcast(1000,1000,16,1,0,0);broadcast(2000,2000,32,1,0,0);end;");
    }

    @Test
    void endsAGroupWhoseBroadcastFails() {
        NcclCommunicator communicator = create(PATIENT);
        fake.set("broadcast_result", 1);
        var spans = List.of(new NcclCommunicator.Span(0x1000, 16), new NcclCommunicator.Span(0x2000, 32));
        assertThatThrownBy(() -> communicator.broadcast(spans, 0, 0))
                .hasMessage("NCCL rank 3 of 4: ncclBroadcast of 2 spans: unhandled cuda error (1)");
        assertThat(fake.calls()).endsWith("start;broadcast(1000,1000,16,1,0,0);end;");
    }

    @Test
    void refusesNonsenseBeforeNcclSeesIt() {
        NcclCommunicator communicator = create(PATIENT);
        assertThatThrownBy(() -> communicator.broadcast(0, 16, 0, 0)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> communicator.broadcast(16, 0, 0, 0)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> communicator.broadcast(16, 16, 4, 0)).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> NcclCommunicator.create(library, ID, 2, 2, PATIENT))
                .isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> NcclCommunicator.refuseBlocking("1")).hasMessageContaining("unset it");
        assertThatCode(() -> NcclCommunicator.refuseBlocking("0")).doesNotThrowAnyException();
        assertThat(fake.calls()).isEqualTo("init(4,3);");
    }

    @Test
    void abortsABroadcastThatIsOverdueAndRemembersWhy() {
        NcclCommunicator communicator = create(IMPATIENT);
        fake.set("broadcast_polls", FOR_EVER);
        assertThatThrownBy(() -> communicator.broadcast(0x1000, 16, 0, 0))
                .isInstanceOf(NcclException.class)
                .hasMessageContaining("ncclBroadcast: NCCL operation in progress (7); still so after 100 ms");
        assertThat(fake.calls()).endsWith("abort;");
        fake.lastError("a peer was lost");
        assertThatThrownBy(communicator::check)
                .isInstanceOf(NcclException.class)
                .hasMessageStartingWith("NCCL rank 3 of 4: ncclCommGetAsyncError: the communicator is aborted because")
                .hasMessageContaining("still so after 100 ms")
                .hasMessageEndingWith("; NCCL's last error: a peer was lost");
    }

    @Test
    void reportsAnErrorThatNcclMetByItself() {
        NcclCommunicator communicator = create(PATIENT);
        communicator.check();
        fake.set("async_result", 3);
        assertThatThrownBy(communicator::check)
                .hasMessage("NCCL rank 3 of 4: ncclCommGetAsyncError: internal error (3)");
    }

    @Test
    void abortsOnceAndRefusesEverythingAfterwards() {
        NcclCommunicator communicator = create(PATIENT);
        communicator.abort();
        communicator.abort();
        communicator.close();
        assertThat(fake.calls()).isEqualTo("init(4,3);abort;");
        assertThatThrownBy(() -> communicator.broadcast(0x1000, 16, 0, 0))
                .isInstanceOf(NcclException.class)
                .hasMessage("NCCL rank 3 of 4: ncclBroadcast: the communicator is aborted because it was asked to");
        assertThatThrownBy(communicator::check).isInstanceOf(NcclException.class);
    }

    @Test
    void anAbortEndsABroadcastThatIsPolledElsewhere() {
        NcclCommunicator communicator = create(PATIENT);
        fake.set("broadcast_polls", FOR_EVER);
        CompletableFuture<Void> broadcast = inBackground(() -> communicator.broadcast(0x1000, 16, 0, 0));
        await(() -> fake.calls().contains("broadcast"));
        communicator.abort();
        assertThatThrownBy(broadcast::join)
                .isInstanceOf(CompletionException.class)
                .hasCauseInstanceOf(NcclException.class)
                .hasMessageContaining("aborted because it was asked to");
    }

    @Test
    void anAbortDoesNotWaitForABroadcastThatIsStuckInNccl() {
        NcclCommunicator communicator = create(PATIENT);
        fake.set("broadcast_blocks", 1);
        CompletableFuture<Void> broadcast = inBackground(() -> communicator.broadcast(0x1000, 16, 0, 0));
        await(() -> fake.get("inside") == 1);
        communicator.check();
        communicator.abort();
        assertThatCode(broadcast::join).doesNotThrowAnyException();
        assertThatThrownBy(() -> communicator.broadcast(0x1000, 16, 0, 0)).isInstanceOf(NcclException.class);
    }

    @Test
    void anAbortThatNeverReturnsIsLeftBehind() {
        NcclCommunicator communicator = create(IMPATIENT);
        fake.set("abort_blocks", 1);
        assertThatThrownBy(communicator::abort)
                .isInstanceOf(NcclException.class)
                .hasMessage("NCCL rank 3 of 4: ncclCommAbort: did not return in 3000 ms");
        fake.set("abort_blocks", 0);
    }

    @Test
    void anInterruptAbortsAndStays() {
        AtomicReference<Throwable> thrown = new AtomicReference<>();
        fake.set("init_polls", FOR_EVER);
        CompletableFuture<Boolean> interrupted = new CompletableFuture<>();
        Thread thread = Thread.ofPlatform().start(() -> {
            try {
                create(PATIENT);
            } catch (NcclException e) {
                thrown.set(e);
            }
            interrupted.complete(Thread.currentThread().isInterrupted());
        });
        await(() -> fake.calls().contains("init"));
        thread.interrupt();
        assertThat(interrupted.join()).isTrue();
        assertThat(thrown.get()).hasMessage("NCCL rank 3 of 4: ncclCommInitRankConfig: interrupted");
        assertThat(fake.calls()).isEqualTo("init(4,3);abort;");
    }

    @Test
    void closesInGoodOrder() {
        fake.set("finalize_polls", 5);
        NcclCommunicator communicator = create(PATIENT);
        communicator.close();
        communicator.close();
        communicator.abort();
        assertThat(fake.calls()).isEqualTo("init(4,3);finalize;destroy;");
        assertThatThrownBy(communicator::check).hasMessageContaining("the communicator is closed");
    }

    @Test
    void abortsWhatCanNotBeClosedInTime() {
        fake.set("finalize_polls", FOR_EVER);
        NcclCommunicator communicator = create(IMPATIENT);
        assertThatThrownBy(communicator::close)
                .isInstanceOf(NcclException.class)
                .hasMessageContaining("ncclCommFinalize: NCCL operation in progress (7); still so after 100 ms");
        assertThat(fake.calls()).isEqualTo("init(4,3);finalize;abort;");
    }

    @Test
    void reportsAnAbortThatFailsBesideItsCause() {
        fake.set("finalize_result", 1);
        fake.set("abort_result", 3);
        assertThatThrownBy(create(PATIENT)::close)
                .hasMessageContaining("ncclCommFinalize: unhandled cuda error (1)")
                .satisfies(e -> assertThat(e.getSuppressed()[0])
                        .hasMessage("NCCL rank 3 of 4: ncclCommAbort: internal error (3)"));
    }

    private static NcclCommunicator create(Duration bound) {
        return NcclCommunicator.create(library, ID, 4, 3, bound);
    }

    private static CompletableFuture<Void> inBackground(Runnable call) {
        return CompletableFuture.runAsync(call, task -> Thread.ofPlatform().start(task));
    }

    private static void await(BooleanSupplier condition) {
        while (!condition.getAsBoolean()) {
            Thread.onSpinWait();
        }
    }

    private static NcclId id() {
        byte[] bytes = new byte[NcclId.BYTES];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) (i * 7 + 1);
        }
        return NcclId.of(bytes);
    }
}
