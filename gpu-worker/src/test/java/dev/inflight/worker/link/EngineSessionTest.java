package dev.inflight.worker.link;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.link.EngineMessage.Aborted;
import dev.inflight.protocol.link.EngineMessage.Begun;
import dev.inflight.protocol.link.EngineMessage.Committed;
import dev.inflight.protocol.link.EngineMessage.Dumped;
import dev.inflight.protocol.link.EngineMessage.Ended;
import dev.inflight.protocol.link.EngineMessage.Failed;
import dev.inflight.protocol.link.EngineMessage.Loaded;
import dev.inflight.protocol.link.LinkCodec;
import dev.inflight.protocol.link.LinkError;
import dev.inflight.protocol.link.SlotMemory;
import dev.inflight.protocol.link.WorkerMessage;
import dev.inflight.protocol.link.WorkerMessage.Abort;
import dev.inflight.protocol.link.WorkerMessage.Begin;
import dev.inflight.protocol.link.WorkerMessage.Commit;
import dev.inflight.protocol.link.WorkerMessage.Dump;
import dev.inflight.protocol.link.WorkerMessage.End;
import dev.inflight.protocol.link.WorkerMessage.Load;
import dev.inflight.worker.link.EngineLinkException.Kind;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class EngineSessionTest {
    private final RecordingListener listener = new RecordingListener();
    private EngineLink link;
    private FakeEngine engine;
    private EngineSession session;

    @BeforeEach
    void attach(@TempDir Path directory) throws Exception {
        link = EngineLink.listen(directory.resolve("w.sock"), "worker-0/0", listener);
        engine = FakeEngine.attach(link.socket());
        session = listener.awaitSession();
    }

    @AfterEach
    void close() throws Exception {
        engine.close();
        link.close();
    }

    @Test
    void aWholeUpdateIsSentWithoutWaitingAndAnsweredInOrder() throws Exception {
        Begin begin = new Begin(1, "m", "v1", "d", LoadMode.SHADOW, 0, 0, List.of());
        CompletableFuture<Begun> begun = session.begin(begin);
        CompletableFuture<Loaded> first = session.load(load(1, 0));
        CompletableFuture<Loaded> second = session.load(load(1, 1));
        CompletableFuture<Ended> ended = session.end(new End(1));
        CompletableFuture<Committed> committed = session.commit(new Commit(1, "v1"));
        CompletableFuture<Aborted> aborted = session.abort(new Abort(0, "late"));
        Dump dump = new Dump(7, SlotMemory.shm("/dev/shm/x", 0, 0), List.of());
        CompletableFuture<Dumped> dumped = session.dump(dump);

        assertThat(hear(7))
                .containsExactly(
                        begin, load(1, 0), load(1, 1), new End(1), new Commit(1, "v1"), new Abort(0, "late"), dump);
        engine.say(new Begun(1));
        engine.say(new Loaded(1, 0));
        engine.say(new Loaded(1, 1));
        engine.say(new Ended(1, 0));
        engine.say(new Committed(1, "v1", 12));
        engine.say(new Aborted(0, EngineStatus.State.SERVING, "v1"));
        engine.say(new Dumped(7));

        assertThat(begun.join()).isEqualTo(new Begun(1));
        assertThat(first.join()).isEqualTo(new Loaded(1, 0));
        assertThat(second.join()).isEqualTo(new Loaded(1, 1));
        assertThat(ended.join()).isEqualTo(new Ended(1, 0));
        assertThat(committed.join()).isEqualTo(new Committed(1, "v1", 12));
        assertThat(aborted.join()).isEqualTo(new Aborted(0, EngineStatus.State.SERVING, "v1"));
        assertThat(dumped.join()).isEqualTo(new Dumped(7));
    }

    @Test
    void aRefusalReachesOnlyTheMessageItAnswers() throws Exception {
        CompletableFuture<Loaded> refused = session.load(load(1, 0));
        CompletableFuture<Loaded> taken = session.load(load(1, 1));
        engine.say(new Failed(1L, 0, null, "tensor \"w\" did not fit"));
        engine.say(new Loaded(1, 1));
        EngineLinkException why = failure(refused);
        assertThat(why.kind()).isEqualTo(Kind.REFUSED);
        assertThat(why).hasMessage("engine engine-1: tensor \"w\" did not fit");
        assertThat(taken.join()).isEqualTo(new Loaded(1, 1));
    }

    @Test
    void everythingUnansweredFailsWhenTheEngineDisconnects() throws Exception {
        CompletableFuture<Loaded> answered = session.load(load(1, 0));
        CompletableFuture<Loaded> lost = session.load(load(1, 1));
        CompletableFuture<Ended> alsoLost = session.end(new End(1));
        hear(3);
        engine.say(new Loaded(1, 0));
        engine.close();
        assertThat(answered.join()).isEqualTo(new Loaded(1, 0));
        assertThat(failure(lost).kind()).isEqualTo(Kind.DISCONNECTED);
        assertThat(failure(alsoLost).kind()).isEqualTo(Kind.DISCONNECTED);
        listener.awaitDetached();
        assertThat(failure(session.load(load(1, 2))).kind()).isEqualTo(Kind.DISCONNECTED);
    }

    @Test
    void closingTheSessionFreesTheCallersOfAnEngineThatDoesNotRead() throws Exception {
        String reason = "x".repeat(LinkCodec.MAX_FRAME_BYTES / 2); // more than the socket buffers hold
        CompletableFuture<Aborted> stuck = session.abort(new Abort(1, reason));
        CompletableFuture<Aborted> behind = session.abort(new Abort(2, reason));
        session.close();
        assertThat(failure(stuck).kind()).isEqualTo(Kind.DISCONNECTED);
        assertThat(failure(behind).kind()).isEqualTo(Kind.DISCONNECTED);
        assertThat(listener.awaitDetached()).isEqualTo("the worker closed the session");
    }

    @Test
    void aFloodOfLoadsIsBoundedAndLeavesRoomForAnAbort() throws Exception {
        List<CompletableFuture<Loaded>> accepted = new ArrayList<>();
        for (int bucket = 0; bucket < EngineSession.MAX_PENDING_LOADS; bucket++) {
            accepted.add(session.load(load(1, bucket)));
        }
        assertThat(failure(session.load(load(1, 9999))).kind()).isEqualTo(Kind.NOT_SENT);
        CompletableFuture<Aborted> aborted = session.abort(new Abort(1, "enough"));
        for (int bucket = 0; bucket < EngineSession.MAX_PENDING_LOADS; bucket++) {
            assertThat(engine.hear()).isEqualTo(load(1, bucket));
            engine.say(new Loaded(1, bucket));
        }
        assertThat(engine.hear()).isEqualTo(new Abort(1, "enough"));
        engine.say(new Aborted(1, EngineStatus.State.PENDING_WEIGHTS, null));
        assertThat(aborted.join().state()).isEqualTo(EngineStatus.State.PENDING_WEIGHTS);
        assertThat(accepted).allMatch(CompletableFuture::isDone).noneMatch(CompletableFuture::isCompletedExceptionally);
    }

    @Test
    void anAnswerToNothingDetachesTheEngine() throws Exception {
        CompletableFuture<Loaded> waiting = session.load(load(1, 0));
        hear(1);
        engine.say(new Loaded(1, 5));
        assertThat(engine.hear()).isInstanceOf(LinkError.class);
        assertThat(failure(waiting).kind()).isEqualTo(Kind.DISCONNECTED);
        assertThat(listener.awaitDetached()).startsWith("this answers nothing that was asked");
    }

    @Test
    void aMessageTooLongToSendFailsAloneAndTheSessionGoesOn() throws Exception {
        CompletableFuture<Aborted> tooLong = session.abort(new Abort(1, "x".repeat(LinkCodec.MAX_FRAME_BYTES)));
        CompletableFuture<Ended> next = session.end(new End(1));
        assertThat(failure(tooLong).kind()).isEqualTo(Kind.NOT_SENT);
        assertThat(engine.hear()).isEqualTo(new End(1));
        engine.say(new Ended(1, 3));
        assertThat(next.join().tensors()).isEqualTo(3);
    }

    @Test
    void anEnginesErrorIsTheReasonItIsDetached() throws Exception {
        engine.say(new LinkError("out of memory"));
        assertThat(listener.awaitDetached()).isEqualTo("the engine reported an error: out of memory");
    }

    private static Load load(long epoch, int bucket) {
        return new Load(epoch, bucket, 0, List.of());
    }

    private List<WorkerMessage> hear(int count) throws Exception {
        List<WorkerMessage> heard = new ArrayList<>();
        while (heard.size() < count) {
            heard.add(engine.hear());
        }
        return heard;
    }

    private static EngineLinkException failure(CompletableFuture<?> future) {
        Throwable thrown = catchThrowable(future::join);
        assertThat(thrown).isInstanceOf(CompletionException.class).hasCauseInstanceOf(EngineLinkException.class);
        return (EngineLinkException) thrown.getCause();
    }
}
