package dev.inflight.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.testkit.typed.javadsl.LoggingTestKit;
import akka.actor.testkit.typed.javadsl.TestProbe;
import dev.inflight.coordinator.ledger.LedgerEntry.CanaryMoved;
import dev.inflight.coordinator.ledger.LedgerEntry.CanaryPhase;
import dev.inflight.coordinator.ledger.LedgerEntry.OperationStarted;
import dev.inflight.coordinator.ledger.LedgerEntry.Published;
import dev.inflight.coordinator.ledger.LedgerEntry.UpdateQueued;
import dev.inflight.protocol.cluster.Canary;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.protocol.cluster.OperationReply.Operation;
import dev.inflight.protocol.cluster.OperationReply.Refused;
import dev.inflight.protocol.cluster.Origin;
import dev.inflight.protocol.cluster.TrainerCommand.DecideCanary;
import dev.inflight.protocol.cluster.TrainerCommand.DecideCanary.Decision;
import dev.inflight.protocol.cluster.TrainerCommand.GetOperation;
import dev.inflight.protocol.cluster.WorkerCommand;
import dev.inflight.protocol.cluster.WorkerEvent;
import dev.inflight.protocol.cluster.WorkerEvent.Session;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.TreeSet;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;

/** A coordinator that takes over while a worker is listed and reachable, and never answers. */
class RollCallTest {
    private static final ActorTestKit KIT = ActorTestKit.create();
    private static final String PATIENT = "inflight.coordinator.update.recovery-window = 1 h";
    private static final String BRIEF = "inflight.coordinator.update.recovery-window = 1500 ms";
    private static final Instant NOW = Instant.now();

    private final TestFleet fleet = new TestFleet(KIT)
            .host(
                    "h1",
                    TestFleet.held(TestFleet.checkpoint("v1", 1), 0, 0),
                    TestFleet.held(TestFleet.checkpoint("v2", 1), 0, 0))
            .worker("h1/0", TestFleet.serving("e1", "v1"))
            .silentWorker("h2/0");

    @AfterAll
    static void stop() {
        KIT.shutdownTestKit();
    }

    @Test
    void whatWaitedBeginsWhenItHasBeenWaitedForAndTheLogNamesIt() {
        LoneCoordinator coordinator = new LoneCoordinator(
                KIT, BRIEF, published("v1"), published("v2"), queued("update-1", NOW.plusSeconds(60)));
        String silent = fleet.workers.get("h2/0").getRef().path().toString();
        LoggingTestKit.warn(silent + " is registered and has not reported for 1500 ms")
                .expect(KIT.system(), () -> {
                    coordinator.tell(fleet.view());
                    // Longer than a coordinator that takes over waits for anything else.
                    fleet.workers.get("h1/0").expectNoMessage(Duration.ofMillis(1200));
                    WorkerCommand.Prepare prepare =
                            fleet.workers.get("h1/0").expectMessageClass(WorkerCommand.Prepare.class);
                    assertThat(prepare.updateId()).isEqualTo("update-1");
                    return null;
                });
    }

    @Test
    void whatHasWaitedLongEnoughExpiresWhoeverIsSilent() {
        LoneCoordinator coordinator = new LoneCoordinator(
                KIT,
                PATIENT,
                published("v1"),
                published("v2"),
                queued("update-1", NOW.minusSeconds(1)),
                queued("update-2", Instant.now().plusMillis(1800)),
                queued("update-3", NOW.plusSeconds(600)));
        coordinator.tell(fleet.view());
        coordinator.awaitPhase("update-1", "expired");
        coordinator.awaitPhase("update-2", "expired");
        coordinator.awaitPhase("update-3", "queued");
    }

    @Test
    void aCanaryGoesOnWhenItHasBeenWaitedFor() {
        OperationStarted start = new OperationStarted(
                "canary-1", "canary", "m", "v2", "digest-v2", null, null, null, null, "auto", null, NOW);
        CanaryMoved holding = new CanaryMoved(
                "canary-1",
                new Canary("1", 600_000L, null),
                CanaryPhase.HOLDING,
                new TreeSet<>(List.of("h1/0")),
                new TreeMap<>(Map.of("h1/0", 1L)),
                "v1",
                NOW,
                null,
                null,
                NOW);
        LoneCoordinator coordinator = new LoneCoordinator(KIT, BRIEF, published("v1"), published("v2"), start, holding);
        fleet.worker("h1/0", TestFleet.serving("e1", "v2"));
        coordinator.tell(fleet.view());
        assertThat(revert(coordinator).receiveMessage())
                .isInstanceOfSatisfying(
                        Refused.class, refused -> assertThat(refused.code()).isEqualTo(Refused.Code.UNAVAILABLE));
        coordinator.awaitPhase("canary-1", "holding");
        TestProbe<OperationReply> answers = revert(coordinator);
        coordinator.kept(coordinator.written(CanaryMoved.class).receipt());
        assertThat(answers.receiveMessage())
                .isInstanceOfSatisfying(
                        Operation.class, operation -> assertThat(operation.id()).isEqualTo("canary-1"));
    }

    @Test
    void whatOneThatReportsLateHasOfAnUpdateThatWasBegunAnewChangesNoRecord() {
        LoneCoordinator coordinator = new LoneCoordinator(
                KIT, BRIEF, published("v1"), published("v2"), queued("update-1", NOW.plusSeconds(60)));
        coordinator.tell(fleet.view());
        TestProbe<WorkerCommand> member = probe("h1/0");
        WorkerCommand.Prepare prepare = member.expectMessageClass(WorkerCommand.Prepare.class);
        prepare.replyTo().tell(new WorkerEvent.PrepareRefused("h1/0", prepare.epoch(), "no memory"));
        WorkerCommand.Abort abort = member.expectMessageClass(WorkerCommand.Abort.class);
        abort.replyTo().tell(new WorkerEvent.Aborted("h1/0", abort.epoch(), TestFleet.serving("e1", "v1")));
        coordinator.awaitPhase("update-1", "aborted");

        Session former = new Session(41, "update-1", 1, Session.Phase.PREPARED, null);
        fleet.host("h2").worker("h2/0", 41, former, TestFleet.serving("e2", "v1"));
        coordinator.tell(fleet.view());

        assertThat(probe("h2/0").expectMessageClass(WorkerCommand.Abort.class).epoch())
                .isEqualTo(41);
        fleet.worker("h2/0", 41, null, TestFleet.serving("e2", "v1"));
        coordinator.tell(fleet.view());
        assertThat(coordinator.ask(replyTo -> new GetOperation("update-1", replyTo)))
                .isInstanceOfSatisfying(
                        Operation.class,
                        operation -> assertThat(operation.error()).contains("no memory"));
    }

    private TestProbe<WorkerCommand> probe(String worker) {
        return Objects.requireNonNull(fleet.workers.get(worker));
    }

    private static TestProbe<OperationReply> revert(LoneCoordinator coordinator) {
        return coordinator.send(
                replyTo -> new DecideCanary("canary-1", null, Decision.REVERT, null, null, Origin.UNKNOWN, replyTo));
    }

    private static Published published(String version) {
        return new Published(null, TestFleet.checkpoint(version, 1), null, NOW);
    }

    private static UpdateQueued queued(String id, Instant until) {
        OperationStarted start = new OperationStarted(
                id, "update", "m", "v2", "digest-v2", "ann", null, null, null, "broadcast", null, NOW);
        return new UpdateQueued(start, "auto", null, until, NOW);
    }
}
