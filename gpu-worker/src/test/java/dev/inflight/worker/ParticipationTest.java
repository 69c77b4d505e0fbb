package dev.inflight.worker;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.TestInbox;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.Exchange;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.cluster.Strategy;
import dev.inflight.protocol.cluster.WorkerCommand;
import dev.inflight.protocol.cluster.WorkerEvent;
import dev.inflight.protocol.cluster.WorkerEvent.Aborted;
import dev.inflight.protocol.cluster.WorkerEvent.Begun;
import dev.inflight.protocol.cluster.WorkerEvent.Committed;
import dev.inflight.protocol.cluster.WorkerEvent.Failed;
import dev.inflight.protocol.cluster.WorkerEvent.PrepareRefused;
import dev.inflight.protocol.cluster.WorkerEvent.Prepared;
import dev.inflight.protocol.cluster.WorkerEvent.Session.Phase;
import dev.inflight.protocol.cluster.WorkerEvent.StageReport;
import dev.inflight.protocol.cluster.WorkerEvent.Staged;
import dev.inflight.protocol.plan.Membership;
import dev.inflight.protocol.plan.ShardRange;
import dev.inflight.protocol.plan.Slots;
import dev.inflight.worker.GpuWorkerMessage.AbortDone;
import dev.inflight.worker.GpuWorkerMessage.BeginDone;
import dev.inflight.worker.GpuWorkerMessage.CommitDone;
import dev.inflight.worker.GpuWorkerMessage.PrepareDone;
import dev.inflight.worker.GpuWorkerMessage.StepDone;
import dev.inflight.worker.GpuWorkerMessage.StepFailed;
import dev.inflight.worker.GpuWorkerMessage.StreamDone;
import dev.inflight.worker.device.HostDevice;
import dev.inflight.worker.device.Pinning;
import dev.inflight.worker.device.ShmNames;
import dev.inflight.worker.metrics.WorkerMetrics;
import dev.inflight.worker.store.HostStore;
import dev.inflight.worker.update.JoinSettings;
import dev.inflight.worker.update.Peers;
import dev.inflight.worker.update.Plans;
import dev.inflight.worker.update.Traces;
import dev.inflight.worker.update.TransferHub;
import dev.inflight.worker.update.UpdateContext;
import dev.inflight.worker.update.UpdateSession;
import dev.inflight.worker.update.UpdateSession.AbortOutcome;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/**
 * A worker's part in an update, without threads: the test says when a step ends, and how. What is to be swapped in is said to
 * stand by, so that preparing really succeeds and needs no checkpoint.
 */
class ParticipationTest {
    private static final Duration PATIENCE = Duration.ofSeconds(1);
    private static final long EPOCH = 5;
    private static final StageReport REPORT = new StageReport(1, 1, 1, 1, 1, 100, 0);

    private final ShmNames names = new ShmNames(Path.of("/dev/shm"), "participation-test");
    private final HostStore store = new HostStore("h", names, Pinning.NONE, 1, PATIENCE, PATIENCE);
    private final HostDevice device = new HostDevice(names, 1 << 20);
    private final TestInbox<GpuWorkerMessage> actor = TestInbox.create("actor");
    private final TestInbox<WorkerEvent> coordinator = TestInbox.create("coordinator");
    private final TestInbox<WorkerEvent> impatient = TestInbox.create("impatient");
    private final ArrayDeque<Runnable> running = new ArrayDeque<>();
    private final List<@Nullable Phase> told = new ArrayList<>();
    private final WorkerMetrics metrics = new WorkerMetrics();
    private final Participation update = start();
    private final PrepareDone prepared = runPrepare();

    private Participation start() {
        var hub = new TransferHub("here", PATIENCE);
        var context = new UpdateContext(
                "h/0",
                store,
                device,
                hub,
                new Peers("127.0.0.1:1", hub, "here", PATIENCE),
                new JoinSettings("", 2, PATIENCE),
                new Traces(null),
                PATIENCE,
                PATIENCE,
                null,
                new Plans());
        var order = new WorkerCommand.Prepare(
                EPOCH,
                "update-5",
                new CheckpointRef("m", "v1", "0".repeat(64), "/v1", 1, 1 << 20, 1, 100, 100),
                LoadMode.IN_PLACE,
                Strategy.STANDBY,
                new Membership(
                        List.of(new Membership.Host("h", "127.0.0.1:1", List.of(new ShardRange(0, 0)))),
                        List.of(new Membership.Worker("h/0", 0, false))),
                new Slots(3, 1 << 20, "test"),
                Exchange.TRANSFERS,
                PATIENCE.toMillis(),
                coordinator.getRef());
        return Participation.prepare(
                context,
                order,
                new WorkerEngine(EngineLabels.NONE),
                new UpdateSteps(actor.getRef(), context, running::add),
                metrics,
                () -> told.add(phase()));
    }

    /** Its end is the tests' to use, or not; all have the session from it. */
    private PrepareDone runPrepare() {
        running.remove().run();
        return (PrepareDone) actor.receiveMessage();
    }

    @AfterEach
    void close() {
        device.close();
        store.close();
    }

    @Test
    void everyStepWaitsForTheCoordinatorsWordAndIsReported() {
        update.ended(prepared);
        update.begin();
        ends(BeginDone::new);
        update.stream();
        ends(session -> new StreamDone(session, REPORT));
        update.commit();
        ends(session -> new CommitDone(session, 7));
        assertThat(coordinator.getAllReceived())
                .containsExactly(
                        new Prepared("h/0", EPOCH, prepared.planDigest()),
                        new Begun("h/0", EPOCH),
                        new Staged("h/0", EPOCH, REPORT),
                        new Committed("h/0", EPOCH, 7));
        assertThat(told)
                .containsExactly(
                        Phase.PREPARED, Phase.BEGUN, Phase.STREAMING, Phase.STAGED, Phase.COMMITTING, Phase.COMMITTED);
        assertThat(update.isOver()).isTrue();
        assertThat(counted("committed")).isTrue();
    }

    @Test
    void aCommandThatIsNotDueStartsNothing() {
        update.begin();
        update.stream();
        toPrepared();
        update.stream();
        assertThat(running).isEmpty();
        update.begin();
        update.begin();
        update.stream();
        assertThat(running).hasSize(1);
        assertThat(phase()).isEqualTo(Phase.BEGUN);
    }

    @Test
    void theEndOfAStepThatItIsNotAtChangesNothing() {
        ended(BeginDone::new);
        ended(session -> new StreamDone(session, REPORT));
        ended(session -> new CommitDone(session, 7));
        ended(session -> new AbortDone(session, new AbortOutcome.Untouched()));
        assertThat(phase()).isEqualTo(Phase.PREPARED);
        abort(coordinator);
        update.ended(prepared);
        assertThat(coordinator.getAllReceived()).isEmpty();
        assertThat(update.isOver()).isFalse();
    }

    @Test
    void aCommitMayBeRepeated() {
        toCommitted();
        update.commit();
        assertThat(coordinator.getAllReceived()).containsExactly(new Committed("h/0", EPOCH, 7));
    }

    @Test
    void aWorkerThatIsNotStagedWhenOthersCommitTakesItsPartBack() {
        toPrepared();
        update.commit();
        ends(session -> new AbortDone(session, new AbortOutcome.Untouched()));
        assertThat(update.isOver()).isTrue();
        assertThat(phase()).isNull();
        assertThat(counted("aborted")).isTrue();
    }

    @Test
    void everyoneWhoAskedForTheAbortIsAnsweredOnceWhenItIsOver() {
        toPrepared();
        abort(coordinator);
        abort(impatient);
        abort(coordinator);
        assertThat(coordinator.hasMessages()).isFalse();
        ends(session -> new AbortDone(session, new AbortOutcome.Untouched()));
        assertThat(coordinator.getAllReceived()).containsExactly(new Aborted("h/0", EPOCH, null));
        assertThat(impatient.getAllReceived()).containsExactly(new Aborted("h/0", EPOCH, null));
        abort(impatient);
        assertThat(impatient.getAllReceived()).containsExactly(new Aborted("h/0", EPOCH, null));
        assertThat(coordinator.hasMessages()).isFalse();
    }

    @Test
    void anAbortAfterTheCommitWaitsForItsEnd() {
        toStaged();
        update.commit();
        abort(impatient);
        assertThat(phase()).isEqualTo(Phase.COMMITTING);
        assertThat(impatient.hasMessages()).isFalse();
        ended(session -> new StepFailed(session, "no answer", null));
        assertThat(coordinator.getAllReceived()).containsExactly(new Failed("h/0", EPOCH, "no answer", null));
        assertThat(impatient.getAllReceived()).containsExactly(new Aborted("h/0", EPOCH, null));
        assertThat(phase()).isNull();
    }

    @Test
    void whatItGaveUpByItselfShowsUntilACoordinatorHasSettledIt() {
        toStaged();
        update.giveUp("nobody came back");
        assertThat(phase()).isEqualTo(Phase.GIVEN_UP);
        ends(session -> new AbortDone(session, new AbortOutcome.Untouched()));
        assertThat(phase()).isEqualTo(Phase.GIVEN_UP);
        told.clear();
        abort(impatient);
        assertThat(told).containsExactly((Phase) null);
        assertThat(impatient.getAllReceived()).containsExactly(new Aborted("h/0", EPOCH, null));
    }

    @Test
    void aCommitSettlesWhatItGaveUp() {
        toStaged();
        update.giveUp("nobody came back");
        update.commit();
        assertThat(phase()).isEqualTo(Phase.GIVEN_UP);
        ends(session -> new AbortDone(session, new AbortOutcome.Untouched()));
        update.commit();
        assertThat(phase()).isNull();
    }

    @Test
    void whatItGivesUpWhileACoordinatorWaitsForTheAbortIsSettledWithIt() {
        toPrepared();
        update.giveUp("nobody came back");
        abort(impatient);
        ends(session -> new AbortDone(session, new AbortOutcome.Untouched()));
        assertThat(phase()).isNull();
        assertThat(impatient.getAllReceived()).containsExactly(new Aborted("h/0", EPOCH, null));
    }

    @Test
    void aPreparationThatFailsIsARefusal() {
        ended(session -> new StepFailed(session, "no memory", null));
        assertThat(coordinator.getAllReceived()).containsExactly(new PrepareRefused("h/0", EPOCH, "no memory"));
        assertThat(phase()).isEqualTo(Phase.GIVEN_UP);
    }

    @Test
    void aStepThatFailsWhileItIsTakenBackSaysNothing() {
        toPrepared();
        update.begin();
        update.giveUp("nobody came back");
        ended(session -> new StepFailed(session, "cancelled", null));
        assertThat(coordinator.hasMessages()).isFalse();
        assertThat(update.isOver()).isFalse();
    }

    @Test
    void aStepThatFailsNamesItsSuspectAndTheUpdateIsGivenUp() {
        toPrepared();
        update.begin();
        ended(session -> new StepFailed(session, "lost", "h/1"));
        assertThat(coordinator.getAllReceived()).containsExactly(new Failed("h/0", EPOCH, "lost", "h/1"));
        assertThat(phase()).isEqualTo(Phase.GIVEN_UP);
    }

    @Test
    void aWorkerThatStopsTakesItsPartBack() {
        toPrepared();
        update.stop();
        running.remove().run();
        assertThat(actor.receiveMessage()).isEqualTo(new AbortDone(prepared.session(), new AbortOutcome.Untouched()));
    }

    @Test
    void aWorkerThatStopsLeavesACommitAlone() {
        toStaged();
        update.commit();
        running.clear();
        update.stop();
        assertThat(running).isEmpty();
        assertThat(phase()).isEqualTo(Phase.COMMITTING);
    }

    private void toPrepared() {
        update.ended(prepared);
        assertThat(coordinator.getAllReceived()).isNotEmpty();
    }

    private void toStaged() {
        toPrepared();
        update.begin();
        ends(BeginDone::new);
        update.stream();
        ends(session -> new StreamDone(session, REPORT));
        assertThat(coordinator.getAllReceived()).isNotEmpty();
    }

    private void toCommitted() {
        toStaged();
        update.commit();
        ends(session -> new CommitDone(session, 7));
        assertThat(coordinator.getAllReceived()).isNotEmpty();
    }

    private void abort(TestInbox<WorkerEvent> by) {
        update.abort(new WorkerCommand.Abort(EPOCH, "test", by.getRef()));
    }

    /** The step that was started ends. */
    private void ends(Function<UpdateSession, StepDone> end) {
        running.remove();
        ended(end);
    }

    private void ended(Function<UpdateSession, StepDone> end) {
        update.ended(end.apply(prepared.session()));
    }

    private @Nullable Phase phase() {
        var view = update.view();
        return view == null ? null : view.phase();
    }

    private boolean counted(String outcome) {
        return new String(metrics.text(), StandardCharsets.UTF_8)
                .contains("inflight_worker_updates_total{outcome=\"" + outcome + "\",worker=\"h/0\"} 1.0");
    }
}
