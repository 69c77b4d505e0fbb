package dev.inflight.coordinator.update;

import static dev.inflight.coordinator.TestFleet.checkpoint;
import static dev.inflight.coordinator.TestFleet.held;
import static dev.inflight.coordinator.TestFleet.pending;
import static dev.inflight.coordinator.TestFleet.serving;
import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.testkit.typed.javadsl.ManualTime;
import akka.actor.testkit.typed.javadsl.TestProbe;
import akka.actor.typed.ActorRef;
import com.fasterxml.jackson.databind.JsonNode;
import com.typesafe.config.ConfigFactory;
import dev.inflight.coordinator.TestFleet;
import dev.inflight.coordinator.fleet.Epochs;
import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.fleet.FleetWorker;
import dev.inflight.coordinator.fleet.JoinSources;
import dev.inflight.coordinator.fleet.WorkerClaims;
import dev.inflight.coordinator.ledger.LedgerWriter;
import dev.inflight.coordinator.operation.Json;
import dev.inflight.coordinator.session.SessionEvent;
import dev.inflight.coordinator.session.SessionEvent.NotTaken;
import dev.inflight.coordinator.session.SessionEvent.UpdateEnded;
import dev.inflight.protocol.cluster.BandwidthLimit;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.Damage;
import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.HostStoreCommand.Restore;
import dev.inflight.protocol.cluster.HostStoreEvent;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.protocol.cluster.OperationReply.Refused.Code;
import dev.inflight.protocol.cluster.Strategy;
import dev.inflight.protocol.cluster.Taken;
import dev.inflight.protocol.cluster.VerifyPoint;
import dev.inflight.protocol.cluster.WorkerCommand;
import dev.inflight.protocol.cluster.WorkerCommand.Abort;
import dev.inflight.protocol.cluster.WorkerCommand.Begin;
import dev.inflight.protocol.cluster.WorkerCommand.Commit;
import dev.inflight.protocol.cluster.WorkerCommand.Drop;
import dev.inflight.protocol.cluster.WorkerCommand.HoldOn;
import dev.inflight.protocol.cluster.WorkerCommand.Prepare;
import dev.inflight.protocol.cluster.WorkerCommand.Repair;
import dev.inflight.protocol.cluster.WorkerCommand.Stream;
import dev.inflight.protocol.cluster.WorkerEvent;
import dev.inflight.protocol.cluster.WorkerEvent.Aborted;
import dev.inflight.protocol.cluster.WorkerEvent.Begun;
import dev.inflight.protocol.cluster.WorkerEvent.Committed;
import dev.inflight.protocol.cluster.WorkerEvent.Failed;
import dev.inflight.protocol.cluster.WorkerEvent.HeldUp;
import dev.inflight.protocol.cluster.WorkerEvent.PrepareRefused;
import dev.inflight.protocol.cluster.WorkerEvent.Prepared;
import dev.inflight.protocol.cluster.WorkerEvent.Progress;
import dev.inflight.protocol.cluster.WorkerEvent.Session;
import dev.inflight.protocol.cluster.WorkerEvent.StageReport;
import dev.inflight.protocol.cluster.WorkerEvent.Staged;
import dev.inflight.protocol.plan.Membership;
import dev.inflight.protocol.plan.ShardRange;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class UpdateSessionTest {
    private static final StageReport REPORT = new StageReport(1, 1, 1, 1, 1, 100, 0);
    private static final CheckpointRef V1 = checkpoint("v1", 2);
    private static final CheckpointRef V2 = checkpoint("v2", 2);

    private final ActorTestKit kit = ActorTestKit.create(ManualTime.config()
            .withFallback(ConfigFactory.parseString("akka.actor.provider = local"))
            .withFallback(ConfigFactory.load()));
    private final ManualTime time = ManualTime.get(kit.system());
    private final TestProbe<SessionEvent> parent = kit.createTestProbe(SessionEvent.class);
    private final TestFleet fleet = new TestFleet(kit);
    private final Epochs epochs = new Epochs(() -> Instant.EPOCH);
    private final WorkerClaims claims = new WorkerClaims();
    private Consumer<LedgerWriter.Confirm> ledger =
            asked -> asked.replyTo().tell(new LedgerWriter.Confirmed(asked.epoch()));
    private UpdateSettings settings = TestFleet.settings("").update();
    private Set<String> awaited = Set.of();
    private @Nullable VerifyPoint verify;
    private List<BandwidthLimit> limits = List.of();

    @BeforeEach
    void twoHosts() {
        fleet.host("h1", held(V1, 0, 0), held(V2, 0, 0))
                .host("h2", held(V1, 1, 1), held(V2, 1, 1))
                .worker("h1/0", serving("e1", "v1"))
                .worker("h2/0", serving("e2", "v1"));
    }

    @AfterEach
    void stop() {
        kit.shutdownTestKit();
    }

    @Test
    void commitsOnceEveryEngineIsStaged() {
        ActorRef<UpdateSession.Command> session = start(null);
        ActorRef<WorkerEvent> answers = prepareAll(LoadMode.SHADOW, 6);
        stageAll(answers, 6);
        expectAll(Commit.class);
        answers.tell(new Committed("h1/0", 6, 2500));
        answers.tell(new Committed("h2/0", 6, 1500));

        UpdateEnded ended = ended();
        assertThat(ended.operation().state()).isEqualTo(OperationReply.State.SUCCEEDED);
        assertThat(ended.committed()).isEqualTo("v2");
        assertThat(ended.from()).containsExactly("v1");
        assertThat(ended.epochs()).isEqualTo(Map.of(6L, true));
        JsonNode result = Json.tree(ended.operation().resultJson());
        assertThat(result.get("outcome").asText()).isEqualTo("committed");
        assertThat(result.get("mode").asText()).isEqualTo("shadow");
        assertThat(result.get("from").asText()).isEqualTo("v1");
        assertThat(result.get("planDigest").asText()).isEqualTo("plan");
        assertThat(result.get("engines").get(0).get("stallMs").asDouble()).isEqualTo(2.5);
        assertThat(result.get("restore").isNull()).isTrue();
        kit.createTestProbe().expectTerminated(session, Duration.ofSeconds(3));
    }

    @Test
    void commitsNothingUntilItIsConfirmedThatTheCoordinatorStillDecides() {
        TestProbe<LedgerWriter.Confirm> writer = kit.createTestProbe();
        ledger = writer.getRef()::tell;
        start(null);
        stageAll(prepareAll(LoadMode.SHADOW, 6), 6);

        LedgerWriter.Confirm asked = writer.receiveMessage();
        assertThat(asked.epoch()).isEqualTo(6);
        // Nobody answered, so it asks again; an answer about another epoch is none.
        time.timePasses(settings.resendInterval());
        writer.receiveMessage();
        asked.replyTo().tell(new LedgerWriter.Confirmed(5));
        fleet.workers.get("h1/0").expectNoMessage(Duration.ofMillis(100));

        asked.replyTo().tell(new LedgerWriter.Confirmed(6));
        expectAll(Commit.class);
    }

    @Test
    void sendsNothingWhereTheCheckpointStandsByInEveryEngine() {
        fleet.worker("h1/0", serving("e1", "v3", V2)).worker("h2/0", serving("e2", "v3", V2));
        start(null);
        Prepare prepare = expectPrepare("h1/0");
        expectPrepare("h2/0");
        assertThat(prepare.strategy()).isEqualTo(Strategy.STANDBY);
        assertThat(prepare.mode()).isEqualTo(LoadMode.SHADOW);
        prepare.replyTo().tell(new Prepared("h1/0", 6, V2.digest()));
        prepare.replyTo().tell(new Prepared("h2/0", 6, V2.digest()));
        beginAll(prepare.replyTo(), 6);
        // Nobody sends anything, so the loss of one engine does not keep the other from it.
        prepare.replyTo().tell(new Staged("h1/0", 6, REPORT));
        prepare.replyTo().tell(new Failed("h2/0", 6, "engine e2 was lost", "e2"));
        fleet.workers.get("h1/0").expectMessageClass(Drop.class);
        fleet.workers.get("h1/0").expectMessageClass(Commit.class);
        prepare.replyTo().tell(new Committed("h1/0", 6, 100));

        JsonNode result = Json.tree(ended().operation().resultJson());
        assertThat(result.get("kind").asText()).isEqualTo("update");
        assertThat(result.get("strategy").asText()).isEqualTo("standby");
        assertThat(result.get("slots").isNull()).isTrue();
        assertThat(result.get("exchange").isNull()).isTrue();
        assertThat(result.get("engines").get(1).get("outcome").asText()).isEqualTo("failed");
    }

    @Test
    void sendsToAllWhereTheVeryCheckpointDoesNotStandByInOneEngine() {
        fleet.worker("h1/0", serving("e1", "v1", V2)).worker("h2/0", serving("e2", "v1", V1));
        start(LoadMode.SHADOW);
        assertThat(expectPrepare("h1/0").strategy()).isEqualTo(Strategy.BROADCAST);
    }

    @Test
    void sendsInPlaceWhateverStandsBy() {
        fleet.worker("h1/0", serving("e1", "v3", V2)).worker("h2/0", serving("e2", "v3", V2));
        start(LoadMode.IN_PLACE);
        assertThat(expectPrepare("h1/0").strategy()).isEqualTo(Strategy.BROADCAST);
    }

    @Test
    void hasEndedVisiblyOnceEveryMemberShowsIt() {
        fleet.worker("h1/0", 6, new Session(6, "u", 2, Session.Phase.STAGED, null), updatingTo("e1"));
        var stale = fleet.view();
        fleet.worker("h1/0", serving("e1", "v1"));
        start(null);
        ActorRef<WorkerEvent> answers = prepareAll(LoadMode.SHADOW, 6);
        stageAll(answers, 6);
        expectAll(Commit.class);
        answers.tell(new Committed("h1/0", 6, 1));
        answers.tell(new Committed("h2/0", 6, 1));
        UpdateEnded ended = ended();
        assertThat(ended.visibleIn(stale)).isFalse();
        fleet.worker("h1/0", 6, new Session(6, "u", 2, Session.Phase.COMMITTED, null), serving("e1", "v2"));
        assertThat(ended.visibleIn(fleet.view())).isFalse();
        fleet.worker("h2/0", 6, new Session(6, "u", 2, Session.Phase.COMMITTED, null), serving("e2", "v2"));
        assertThat(ended.visibleIn(fleet.view())).isTrue();
    }

    @Test
    void takesEnginesAlongWhoseJoinsWereBrokenOffAsSoonAsTheyAreFree() {
        claims.claim("join-1", Set.of("h2/0"));
        awaited = Set.of("h2/0");
        ActorRef<UpdateSession.Command> session = start(null);
        fleet.workers.get("h1/0").expectNoMessage(Duration.ZERO);
        claims.release("join-1");
        session.tell(new UpdateSession.FleetChanged(fleet.view()));
        assertThat(expectPrepare("h1/0").membership().workers())
                .extracting(Membership.Worker::id)
                .containsExactly("h1/0", "h2/0");
    }

    @Test
    void leavesThoseOutThatAreNotFreeInTimeAndReadsTheirShardsAgain() {
        claims.claim("join-1", Set.of("h2/0"));
        awaited = Set.of("h2/0");
        start(null);
        time.timePasses(settings.prepareTimeout());
        Restore restore = fleet.hosts.get("h1").expectMessageClass(Restore.class);
        assertThat(restore.shards()).containsExactly(new ShardRange(1, 1));
        restore.replyTo().tell(new HostStoreEvent.Loaded("h1", restore.publishId(), V2.digest(), 1, 0, 0));
        assertThat(expectPrepare("h1/0").membership().workers())
                .extracting(Membership.Worker::id)
                .containsExactly("h1/0");
    }

    private static EngineStatus updatingTo(String engine) {
        return updating(engine, "v1");
    }

    @Test
    void loadsInPlaceWhenAskedTo() {
        start(LoadMode.IN_PLACE);
        prepareAll(LoadMode.IN_PLACE, 6);
    }

    @Test
    void refusesAModeThatAnEngineLacks() {
        fleet.worker("h2/0", TestFleet.engine("e2", EngineStatus.State.SERVING, "v1", List.of(LoadMode.IN_PLACE)));
        start(LoadMode.SHADOW);
        NotTaken refused = parent.expectMessageClass(NotTaken.class);
        assertThat(refused.refused().code()).isEqualTo(Code.INVALID);
        assertThat(refused.refused().message()).contains("e2", "shadow", "in-place");
    }

    @Test
    void refusesWhenAnEngineWorkerTakesPartInAnotherUpdate() {
        claims.claim("update-other", List.of("h1/0"));
        start(null);
        NotTaken refused = parent.expectMessageClass(NotTaken.class);
        assertThat(refused.refused().code()).isEqualTo(Code.CONFLICT);
        assertThat(refused.refused().message()).contains("h1/0", "update-other");
    }

    @Test
    void refusesRatherThanRestoresShardsWhoseWorkersTakePartInAnotherUpdate() {
        fleet.worker("h2/0", null);
        claims.claim("update-other", List.of("h2/0"));
        start(null);
        NotTaken refused = parent.expectMessageClass(NotTaken.class);
        assertThat(refused.refused().code()).isEqualTo(Code.CONFLICT);
        assertThat(refused.refused().message()).contains("h2", "update-other");
        fleet.hosts.get("h1").expectNoMessage(Duration.ZERO);
    }

    @Test
    void takesAnotherWorkerOfTheHostWhenOneTakesPartInAnotherUpdate() {
        fleet.worker("h2/0", null).worker("h2/1", null);
        claims.claim("update-other", List.of("h2/0"));
        start(null);
        expectPrepare("h2/1");
        assertThat(claims.ofOthers("update-other")).containsOnlyKeys("h1/0", "h2/1");
    }

    @Test
    void refusesWithoutEngines() {
        fleet.worker("h1/0", null).worker("h2/0", null);
        start(null);
        assertThat(parent.expectMessageClass(NotTaken.class).refused().code()).isEqualTo(Code.UNAVAILABLE);
    }

    @Test
    void abortsWhenAWorkerRefusesToPrepare() {
        start(null);
        ActorRef<WorkerEvent> answers = expectPrepare("h1/0").replyTo();
        expectPrepare("h2/0");
        answers.tell(new PrepareRefused("h2/0", 6, "no memory"));
        expectAll(Abort.class);
        answers.tell(new Aborted("h1/0", 6, serving("e1", "v1")));
        answers.tell(new Aborted("h2/0", 6, serving("e2", "v1")));
        UpdateEnded ended = ended();
        assertThat(ended.operation().state()).isEqualTo(OperationReply.State.FAILED);
        assertThat(ended.operation().error()).contains("h2/0", "no memory");
        assertThat(Json.tree(ended.operation().resultJson())
                        .get("engines")
                        .get(0)
                        .get("state")
                        .asText())
                .isEqualTo("SERVING");
    }

    @Test
    void abortsWhenPreparingTakesTooLong() {
        start(null);
        expectPrepare("h1/0").replyTo().tell(new Prepared("h1/0", 6, "plan"));
        expectPrepare("h2/0");
        parent.expectMessageClass(SessionEvent.Running.class);
        time.timePasses(settings.prepareTimeout());
        expectAbort("h1/0");
        time.timePasses(settings.abortTimeout());
        assertThat(ended().operation().error()).contains("no plan from [h2/0]");
    }

    @Test
    void anEngineThatDrainsItsRequestsIsNoStallButHasABound() {
        start(LoadMode.IN_PLACE);
        ActorRef<WorkerEvent> answers = expectPrepare("h1/0").replyTo();
        expectPrepare("h2/0");
        answers.tell(new Prepared("h1/0", 6, "plan"));
        answers.tell(new Prepared("h2/0", 6, "plan"));
        expectAll(Begin.class);
        answers.tell(new Begun("h1/0", 6));
        fishPhase("beginning");
        Duration almost = settings.beginTimeout().minusSeconds(1);
        assertThat(almost).isGreaterThan(settings.stallTimeout().multipliedBy(2));
        time.timePasses(almost);
        fleet.workers.get("h1/0").expectNoMessage(Duration.ZERO);
        time.timePasses(Duration.ofSeconds(1));
        expectAll(Abort.class);
        answers.tell(new Aborted("h1/0", 6, serving("e1", "v1")));
        answers.tell(new Aborted("h2/0", 6, serving("e2", "v1")));
        assertThat(ended().operation().error()).contains("[h2/0]", "60000 ms");
    }

    @Test
    void abortsWhenNothingMovesAnyMore() {
        start(null);
        ActorRef<WorkerEvent> answers = prepareAll(LoadMode.SHADOW, 6);
        time.timePasses(settings.stallTimeout());
        answers.tell(new Progress("h1/0", 6, 50));
        fishRunning(50);
        time.timePasses(settings.stallTimeout());
        time.timePasses(settings.stallTimeout());
        expectAll(Abort.class);
    }

    @Test
    void aMemberThatWaitsForItsTurnUnderALimitIsNoStallAndWhoMovesNotAtAllIs() {
        limits = List.of(new BandwidthLimit("model m", 1 << 20));
        start(LoadMode.SHADOW);
        Prepare prepare = expectPrepare("h1/0");
        assertThat(prepare.limits()).isEqualTo(limits);
        ActorRef<WorkerEvent> answers = prepare.replyTo();
        expectPrepare("h2/0");
        answers.tell(new Prepared("h1/0", 6, "plan"));
        answers.tell(new Prepared("h2/0", 6, "plan"));
        beginAll(answers, 6);
        for (int waits = 0; waits < 5; waits++) {
            time.timePasses(settings.stallTimeout());
            answers.tell(new HeldUp("h1/0", 6));
            answers.tell(new HeldUp("h2/0", 6));
            expectAll(HoldOn.class);
            fleet.workers.get("h1/0").expectNoMessage(Duration.ZERO);
        }
        time.timePasses(settings.stallTimeout());
        answers.tell(new HeldUp("h1/0", 5));
        fleet.workers.get("h1/0").expectNoMessage(Duration.ZERO);
        time.timePasses(settings.stallTimeout());
        expectAll(Abort.class);
    }

    @Test
    void anUpdateInPlaceIsNotSlowed() {
        limits = List.of(new BandwidthLimit("model m", 1 << 20));
        start(LoadMode.IN_PLACE);
        Prepare prepare = expectPrepare("h1/0");
        assertThat(prepare.limits()).isEmpty();
        assertThat(prepare.stallTimeoutMs()).isEqualTo(settings.stallTimeout().toMillis());
    }

    @Test
    void comparingInTheEngineIsMovementAndDeliversNothing() {
        verify = VerifyPoint.ENGINE;
        start(null);
        Prepare prepare = expectPrepare("h1/0");
        assertThat(prepare.verify()).isEqualTo(VerifyPoint.ENGINE);
        ActorRef<WorkerEvent> answers = prepare.replyTo();
        expectPrepare("h2/0");
        answers.tell(new Prepared("h1/0", 6, "plan"));
        answers.tell(new Prepared("h2/0", 6, "plan"));
        beginAll(answers, 6);
        answers.tell(new Progress("h1/0", 6, 50));
        for (int compared = 10; compared < 60; compared += 10) {
            time.timePasses(settings.stallTimeout());
            answers.tell(new Progress("h1/0", 6, 0, compared));
            fleet.workers.get("h1/0").expectNoMessage(Duration.ZERO);
        }
        fishRunning(50);
        answers.tell(new Staged("h1/0", 6, REPORT.verifiedInEngine(250_000)));
        answers.tell(new Staged("h2/0", 6, REPORT));
        expectAll(Commit.class);
        answers.tell(new Committed("h1/0", 6, 0));
        answers.tell(new Committed("h2/0", 6, 0));
        JsonNode result = Json.tree(ended().operation().resultJson());
        assertThat(result.get("deliveredBytes").asLong()).isEqualTo(200);
        assertThat(result.get("verify").asText()).isEqualTo("engine");
        assertThat(result.get("stages").get("engineVerifySeconds").asDouble()).isEqualTo(0.25);
    }

    @Test
    void enginesGetTheirFormerVersionBackVerifiedLikeTheUpdateThatFailed() {
        settings = TestFleet.settings("inflight.coordinator.update.verify = engine")
                .update();
        start(LoadMode.IN_PLACE);
        ActorRef<WorkerEvent> answers = prepareAll(LoadMode.IN_PLACE, 6);
        answers.tell(new Failed("h2/0", 6, "h2: engine e2 has loaded bytes that are not what was published", null));
        expectAll(Abort.class);
        answers.tell(new Aborted("h1/0", 6, pending("e1")));
        answers.tell(new Aborted("h2/0", 6, pending("e2")));
        Prepare restoring = expectPrepare("h1/0");
        assertThat(restoring.checkpoint()).isEqualTo(V1);
        assertThat(restoring.verify()).isEqualTo(VerifyPoint.ENGINE);
    }

    @Test
    void theResultSaysWhatWasFoundDamagedAndMended() {
        start(null);
        ActorRef<WorkerEvent> answers = prepareAll(LoadMode.SHADOW, 6);
        Damage damage = new Damage(Damage.Place.STORE, "h1", "model.safetensors", "lm_head.weight", 4096, "/ckpt/v2");
        answers.tell(new Staged(
                "h1/0", 6, new StageReport(1, 1, 1, 1, 1, 100, 0, Taken.NOTHING, 0, List.of(damage, damage))));
        answers.tell(new Staged("h2/0", 6, REPORT));
        expectAll(Commit.class);
        answers.tell(new Committed("h1/0", 6, 0));
        answers.tell(new Committed("h2/0", 6, 0));
        JsonNode found = Json.tree(ended().operation().resultJson()).get("damage");
        assertThat(found).hasSize(1);
        assertThat(found.get(0).get("place").asText()).isEqualTo("store");
        assertThat(found.get(0).get("host").asText()).isEqualTo("h1");
        assertThat(found.get(0).get("tensor").asText()).isEqualTo("lm_head.weight");
        assertThat(found.get(0).get("mendedFrom").asText()).isEqualTo("/ckpt/v2");
    }

    @Test
    void theResultSaysWhatWasTakenByCastsAndFromWhom() {
        start(null);
        ActorRef<WorkerEvent> answers = prepareAll(LoadMode.SHADOW, 6);
        Taken taken = new Taken(100, 7, List.of("h9", "h3"), 60, List.of("h9"));
        answers.tell(new Staged("h1/0", 6, new StageReport(1, 1, 1, 1, 1, 100, 0, taken, 0, List.of())));
        answers.tell(new Staged("h2/0", 6, REPORT));
        expectAll(Commit.class);
        answers.tell(new Committed("h1/0", 6, 0));
        answers.tell(new Committed("h2/0", 6, 0));
        JsonNode result = Json.tree(ended().operation().resultJson());
        assertThat(result.get("receivedBytes").asLong()).isEqualTo(100);
        assertThat(result.get("resentBytes").asLong()).isEqualTo(7);
        assertThat(result.get("sources")).map(JsonNode::asText).containsExactly("h3", "h9");
        assertThat(result.get("castBytes").asLong()).isEqualTo(60);
        assertThat(result.get("castSources")).map(JsonNode::asText).containsExactly("h9");
    }

    private void neverGoOnWithoutAMember() {
        settings = TestFleet.settings("inflight.coordinator.update.on-member-loss = abort")
                .update();
    }

    @Test
    void abortsWhenAWorkerIsLostWhileStreamingIfSetTo() {
        neverGoOnWithoutAMember();
        ActorRef<UpdateSession.Command> session = start(null);
        ActorRef<WorkerEvent> answers = prepareAll(LoadMode.SHADOW, 6);
        TestProbe<WorkerCommand> survivor = fleet.workers.get("h1/0");
        fleet.withoutWorker("h2/0");
        session.tell(new UpdateSession.FleetChanged(fleet.view()));
        survivor.expectMessageClass(Abort.class);
        answers.tell(new Aborted("h1/0", 6, serving("e1", "v1")));
        assertThat(ended().operation().error()).isEqualTo("worker h2/0 was lost");
    }

    @Test
    void aHostLoadsWhatALostOwnerHadAndStandsInForIt() {
        ActorRef<UpdateSession.Command> session = start(LoadMode.IN_PLACE);
        ActorRef<WorkerEvent> answers = prepareAll(LoadMode.IN_PLACE, 6);
        TestProbe<WorkerCommand> survivor = fleet.workers.get("h1/0");
        fleet.withoutWorker("h2/0").withoutHost("h2");
        session.tell(new UpdateSession.FleetChanged(fleet.view()));
        assertThat(survivor.expectMessageClass(WorkerCommand.Drop.class).worker())
                .isEqualTo("h2/0");
        assertThat(survivor.expectMessageClass(Repair.class).hosts()).isEmpty();

        Restore restore = fleet.hosts.get("h1").expectMessageClass(Restore.class);
        assertThat(restore.checkpoint()).isEqualTo(V2);
        assertThat(restore.shards()).containsExactly(new ShardRange(1, 1));
        fishPhase("repairing");
        restore.replyTo().tell(new HostStoreEvent.Loaded("h1", restore.publishId(), V2.digest(), 4711, 0, 0));

        Repair repair = survivor.expectMessageClass(Repair.class);
        assertThat(repair.owners()).containsExactly("h2/0");
        assertThat(repair.hosts()).singleElement().satisfies(host -> {
            assertThat(host.name()).isEqualTo("h1");
            assertThat(host.shards()).containsExactly(new ShardRange(1, 1));
        });
        answers.tell(new Staged("h1/0", 6, REPORT));
        survivor.expectMessageClass(Commit.class);
        answers.tell(new Committed("h1/0", 6, 1));

        UpdateEnded ended = ended();
        assertThat(ended.operation().state()).isEqualTo(OperationReply.State.SUCCEEDED);
        JsonNode result = Json.tree(ended.operation().resultJson());
        assertThat(result.at("/repair/owners/0").asText()).isEqualTo("h2/0");
        assertThat(result.at("/repair/standIns/0").asText()).isEqualTo("h1");
        assertThat(result.at("/repair/restoredBytes").asLong()).isEqualTo(4711);
        assertThat(result.at("/engines/1/outcome").asText()).isEqualTo("failed");
        assertThat(result.get("reason").asText()).contains("h2/0=lost before the commit point");
    }

    @Test
    void aHostWhoseEngineIsGoneStandsInForItsWorkerAndAnotherOneIfItIsLostToo() {
        fleet.host("h3").worker("h3/0", serving("e3", "v1"));
        ActorRef<UpdateSession.Command> session = start(LoadMode.SHADOW);
        ActorRef<WorkerEvent> answers = prepareAll(LoadMode.SHADOW, 6, "h1/0", "h2/0", "h3/0");
        TestProbe<WorkerCommand> survivor = fleet.workers.get("h1/0");
        answers.tell(new Failed("h2/0", 6, "engine e2 was lost: link closed", "e2"));
        survivor.expectMessageClass(WorkerCommand.Drop.class);
        assertThat(survivor.expectMessageClass(Repair.class).hosts())
                .extracting(Membership.Host::name)
                .containsExactly("h2");
        fleet.withoutWorker("h2/0").withoutHost("h2");
        session.tell(new UpdateSession.FleetChanged(fleet.view()));
        assertThat(survivor.expectMessageClass(Repair.class).hosts()).isEmpty();
        Restore failing = fleet.hosts.get("h3").expectMessageClass(Restore.class);
        failing.replyTo().tell(new HostStoreEvent.LoadFailed("h3", failing.publishId(), "no such file"));
        Restore restore = fleet.hosts.get("h1").expectMessageClass(Restore.class);
        restore.replyTo().tell(new HostStoreEvent.Loaded("h1", restore.publishId(), V2.digest(), 1, 0, 0));
        assertThat(survivor.expectMessageClass(Repair.class).hosts())
                .extracting(Membership.Host::name)
                .containsExactly("h1");
        answers.tell(new Progress("h1/0", 6, 1));
        survivor.expectNoMessage(Duration.ZERO);
    }

    @Test
    void abortsWithTheReasonWhenNobodyCanStandInForALostOwner() {
        ActorRef<UpdateSession.Command> session = start(LoadMode.SHADOW);
        ActorRef<WorkerEvent> answers = prepareAll(LoadMode.SHADOW, 6);
        fleet.withoutWorker("h2/0").withoutHost("h2");
        session.tell(new UpdateSession.FleetChanged(fleet.view()));
        Restore restore = fleet.hosts.get("h1").expectMessageClass(Restore.class);
        restore.replyTo().tell(new HostStoreEvent.LoadFailed("h1", restore.publishId(), "/ckpt/v2: no such file"));
        TestProbe<WorkerCommand> survivor = fleet.workers.get("h1/0");
        survivor.fishForMessage(
                Duration.ofSeconds(3),
                order -> order instanceof Abort
                        ? akka.actor.testkit.typed.javadsl.FishingOutcomes.complete()
                        : akka.actor.testkit.typed.javadsl.FishingOutcomes.continueAndIgnore());
        answers.tell(new Aborted("h1/0", 6, serving("e1", "v1")));
        assertThat(ended().operation().error()).contains("h2/0", "/ckpt/v2: no such file");
    }

    @Test
    void preparesAgainWithThoseThatAreLeftIfAnOwnerIsLostWhilePreparing() {
        ActorRef<UpdateSession.Command> session = start(LoadMode.IN_PLACE);
        ActorRef<WorkerEvent> answers = expectPrepare("h1/0").replyTo();
        expectPrepare("h2/0");
        TestProbe<WorkerCommand> survivor = fleet.workers.get("h1/0");
        answers.tell(new PrepareRefused("h1/0", 6, "can not reach h2/0"));
        survivor.expectMessageClass(Abort.class);
        answers.tell(new Aborted("h1/0", 6, serving("e1", "v1")));
        fleet.withoutWorker("h2/0").withoutHost("h2");
        session.tell(new UpdateSession.FleetChanged(fleet.view()));

        Restore restore = fleet.hosts.get("h1").expectMessageClass(Restore.class);
        restore.replyTo().tell(new HostStoreEvent.Loaded("h1", restore.publishId(), V2.digest(), 1, 0, 0));
        Prepare again = expectPrepare("h1/0");
        assertThat(again.epoch()).isEqualTo(7);
        assertThat(again.repairs()).isTrue();
        answers.tell(new Prepared("h1/0", 7, "plan"));
        survivor.expectMessageClass(Begin.class);
        answers.tell(new Begun("h1/0", 7));
        survivor.expectMessageClass(Stream.class);
        answers.tell(new Staged("h1/0", 7, REPORT));
        survivor.expectMessageClass(Commit.class);
        answers.tell(new Committed("h1/0", 7, 1));

        UpdateEnded ended = ended();
        assertThat(ended.operation().state()).isEqualTo(OperationReply.State.SUCCEEDED);
        assertThat(ended.epochs()).isEqualTo(Map.of(6L, false, 7L, true));
        JsonNode result = Json.tree(ended.operation().resultJson());
        assertThat(result.at("/engines/1/worker").asText()).isEqualTo("h2/0");
        assertThat(result.at("/engines/1/outcome").asText()).isEqualTo("failed");
    }

    @Test
    void restoresTheFormerVersionOnEnginesLeftWithoutWeights() {
        start(LoadMode.IN_PLACE);
        ActorRef<WorkerEvent> answers = prepareAll(LoadMode.IN_PLACE, 6);
        answers.tell(new Failed("h2/0", 6, "bad block", null));
        expectAll(Abort.class);
        answers.tell(new Aborted("h1/0", 6, pending("e1")));
        answers.tell(new Aborted("h2/0", 6, pending("e2")));

        Prepare restoring = expectPrepare("h1/0");
        assertThat(restoring.checkpoint()).isEqualTo(V1);
        assertThat(restoring.epoch()).isEqualTo(7);
        assertThat(restoring.mode()).isEqualTo(LoadMode.IN_PLACE);
        expectPrepare("h2/0");
        answers.tell(new Prepared("h1/0", 7, "back"));
        answers.tell(new Prepared("h2/0", 7, "back"));
        beginAll(answers, 7);
        stageAll(answers, 7);
        expectAll(Commit.class);
        answers.tell(new Committed("h1/0", 7, 1));
        answers.tell(new Committed("h2/0", 7, 1));

        UpdateEnded ended = ended();
        assertThat(ended.operation().state()).isEqualTo(OperationReply.State.FAILED);
        assertThat(ended.epochs()).isEqualTo(Map.of(6L, false, 7L, true));
        JsonNode result = Json.tree(ended.operation().resultJson());
        assertThat(result.get("restore").get("outcome").asText()).isEqualTo("restored");
        assertThat(result.get("engines").get(0).get("version").asText()).isEqualTo("v1");
        assertThat(result.get("engines").get(0).get("state").asText()).isEqualTo("SERVING");
        assertThat(result.get("reason").asText()).contains("bad block");
    }

    @Test
    void saysNothingOfAnEngineThatIsGoneAlthoughItsWorkerHelpsToRestore() {
        ActorRef<UpdateSession.Command> session = start(LoadMode.IN_PLACE);
        ActorRef<WorkerEvent> answers = prepareAll(LoadMode.IN_PLACE, 6);
        fleet.worker("h2/0", null);
        session.tell(new UpdateSession.FleetChanged(fleet.view()));
        answers.tell(new Failed("h2/0", 6, "engine e2 was lost", null));
        expectAll(Abort.class);
        answers.tell(new Aborted("h1/0", 6, pending("e1")));
        answers.tell(new Aborted("h2/0", 6, null));

        expectPrepare("h1/0");
        expectPrepare("h2/0");
        answers.tell(new Prepared("h1/0", 7, "back"));
        answers.tell(new Prepared("h2/0", 7, "back"));
        beginAll(answers, 7);
        stageAll(answers, 7);
        expectAll(Commit.class);
        answers.tell(new Committed("h2/0", 7, 0));
        answers.tell(new Committed("h1/0", 7, 1));

        JsonNode result = Json.tree(ended().operation().resultJson());
        assertThat(result.at("/engines/0/state").asText()).isEqualTo("SERVING");
        assertThat(result.at("/engines/1/engine").asText()).isEqualTo("e2");
        assertThat(result.at("/engines/1/state").isNull()).isTrue();
    }

    @Test
    void restoresLostShardsOnASurvivorBeforeTheRestoringUpdate() {
        neverGoOnWithoutAMember();
        ActorRef<UpdateSession.Command> session = start(LoadMode.IN_PLACE);
        ActorRef<WorkerEvent> answers = prepareAll(LoadMode.IN_PLACE, 6);
        fleet.withoutWorker("h2/0").withoutHost("h2");
        session.tell(new UpdateSession.FleetChanged(fleet.view()));
        fleet.workers.get("h1/0").expectMessageClass(Abort.class);
        answers.tell(new Aborted("h1/0", 6, pending("e1")));

        Restore restore = fleet.hosts.get("h1").expectMessageClass(Restore.class);
        assertThat(restore.checkpoint()).isEqualTo(V1);
        assertThat(restore.shards()).containsExactly(new ShardRange(1, 1));
        restore.replyTo().tell(new HostStoreEvent.Loaded("h1", restore.publishId(), V1.digest(), 4, 0, 0));

        Prepare restoring = expectPrepare("h1/0");
        assertThat(restoring.membership().hosts())
                .singleElement()
                .satisfies(host -> assertThat(host.shards()).containsExactly(new ShardRange(0, 1)));
    }

    @Test
    void failsClearlyWhenLostShardsCanNotBeLoadedAgain() {
        fleet.withoutWorker("h2/0").withoutHost("h2");
        start(null);
        Restore restore = fleet.hosts.get("h1").expectMessageClass(Restore.class);
        assertThat(restore.checkpoint()).isEqualTo(V2);
        restore.replyTo().tell(new HostStoreEvent.LoadFailed("h1", restore.publishId(), "/ckpt/v2: no such file"));
        UpdateEnded ended = ended();
        assertThat(ended.operation().error()).contains("h1: /ckpt/v2: no such file");
        assertThat(ended.epochs()).isEmpty();
    }

    @Test
    void givesUpRestoringAfterTheSetNumberOfAborts() {
        start(LoadMode.IN_PLACE);
        ActorRef<WorkerEvent> answers = prepareAll(LoadMode.IN_PLACE, 6);
        answers.tell(new Failed("h2/0", 6, "bad block", null));
        for (long epoch = 6; epoch < 6 + settings.restoreAttempts(); epoch++) {
            expectAll(Abort.class);
            answers.tell(new Aborted("h1/0", epoch, pending("e1")));
            answers.tell(new Aborted("h2/0", epoch, pending("e2")));
            expectPrepare("h1/0");
            expectPrepare("h2/0");
            answers.tell(new PrepareRefused("h1/0", epoch + 1, "still broken"));
        }
        expectAll(Abort.class);
        answers.tell(new Aborted("h1/0", 6 + settings.restoreAttempts(), pending("e1")));
        answers.tell(new Aborted("h2/0", 6 + settings.restoreAttempts(), pending("e2")));
        JsonNode result = Json.tree(ended().operation().resultJson());
        assertThat(result.get("restore").get("outcome").asText()).isEqualTo("failed");
        assertThat(result.get("engines").get(0).get("state").asText()).isEqualTo("PENDING_WEIGHTS");
    }

    @Test
    void saysCommitAgainAndReportsWorkersThatNeverAnswer() {
        start(null);
        ActorRef<WorkerEvent> answers = prepareAll(LoadMode.SHADOW, 6);
        stageAll(answers, 6);
        expectAll(Commit.class);
        answers.tell(new Committed("h1/0", 6, 1));
        time.timePasses(settings.resendInterval());
        fleet.workers.get("h2/0").expectMessageClass(Commit.class);
        time.timePasses(settings.commitTimeout());
        UpdateEnded ended = ended();
        assertThat(ended.operation().state()).isEqualTo(OperationReply.State.SUCCEEDED);
        JsonNode result = Json.tree(ended.operation().resultJson());
        assertThat(result.get("outcome").asText()).isEqualTo("committed");
        assertThat(result.get("engines").get(1).get("outcome").asText()).isEqualTo("failed");
    }

    @Test
    void finishesAnUpdateThatAWorkerCommittedBeforeTheCoordinatorWasLost() {
        fleet.worker("h1/0", 6, new Session(6, "u", 2, Session.Phase.COMMITTED, null), serving("e1", "v2"))
                .worker("h2/0", 6, new Session(6, "u", 2, Session.Phase.STAGED, null), serving("e2", "v1"));
        ActorRef<UpdateSession.Command> session = recover(true);
        fleet.workers.get("h2/0").expectMessageClass(Commit.class);
        fleet.worker("h2/0", 6, new Session(6, "u", 2, Session.Phase.COMMITTED, null), serving("e2", "v2"));
        session.tell(new UpdateSession.FleetChanged(fleet.view()));
        assertThat(ended().committed()).isEqualTo("v2");
    }

    @Test
    void aTakenOverCommitThatFailedIsNotReportedAsCommitted() {
        fleet.worker("h1/0", 6, new Session(6, "u", 2, Session.Phase.COMMITTING, null), serving("e1", "v1"))
                .worker("h2/0", 6, new Session(6, "u", 2, Session.Phase.STAGED, null), serving("e2", "v1"));
        ActorRef<UpdateSession.Command> session = recover(true);
        expectAll(Commit.class);
        fleet.worker("h1/0", 6, null, serving("e1", "v1")).worker("h2/0", 6, null, serving("e2", "v2"));
        session.tell(new UpdateSession.FleetChanged(fleet.view()));
        JsonNode result = Json.tree(ended().operation().resultJson());
        assertThat(result.at("/engines/0/outcome").asText()).isEqualTo("failed");
        assertThat(result.at("/engines/1/outcome").asText()).isEqualTo("committed");
        assertThat(result.get("reason").asText()).contains("h1/0", "without confirmation");
    }

    @Test
    void abortsAnUpdateThatNobodyCommittedBeforeTheCoordinatorWasLost() {
        fleet.worker("h1/0", 6, new Session(6, "u", 2, Session.Phase.STAGED, null), serving("e1", "v1"))
                .worker("h2/0", 6, new Session(6, "u", 2, Session.Phase.STREAMING, null), serving("e2", "v1"));
        recover(false);
        ActorRef<WorkerEvent> answers =
                fleet.workers.get("h1/0").expectMessageClass(Abort.class).replyTo();
        fleet.workers.get("h2/0").expectMessageClass(Abort.class);
        answers.tell(new Aborted("h1/0", 6, serving("e1", "v1")));
        answers.tell(new Aborted("h2/0", 6, serving("e2", "v1")));
        assertThat(ended().operation().error()).contains("coordinator was lost");
    }

    @Test
    void restoresEveryInPlaceEngineOfAnUpdateItTakesOver() {
        fleet.worker("h1/0", 6, new Session(6, "u", 2, Session.Phase.STREAMING, null), updating("e1", "v1"))
                .worker("h2/0", 6, null, pending("e2"));
        TreeMap<String, FleetWorker> members = new TreeMap<>(fleet.view().workers());
        members.remove("h2/0");
        start(null, new UpdateStart.Orphan(6, false, members));
        ActorRef<WorkerEvent> answers =
                fleet.workers.get("h1/0").expectMessageClass(Abort.class).replyTo();
        answers.tell(new Aborted("h1/0", 6, pending("e1")));
        assertThat(expectPrepare("h1/0").checkpoint()).isEqualTo(V1);
        assertThat(expectPrepare("h2/0").membership().workers())
                .allSatisfy(worker -> assertThat(worker.receives()).isTrue());
    }

    @Test
    void restoresTheVersionThisCoordinatorSawWhenTheEngineNoLongerNamesIt() {
        fleet.worker("h1/0", 6, new Session(6, "u", 2, Session.Phase.STREAMING, null), pending("e1"))
                .worker("h2/0", 6, new Session(6, "u", 2, Session.Phase.STREAMING, null), pending("e2"));
        Fleet seen = fleet.view();
        for (String id : List.of("h1/0", "h2/0")) {
            ActorRef<WorkerCommand> ref = fleet.workers.get(id).getRef();
            WorkerEvent.WorkerState now = fleet.state(id);
            WorkerEvent.WorkerState before = new WorkerEvent.WorkerState(
                    id, now.host(), now.device(), now.slotBudgetBytes(), null, 6, now.session(), updating("e", "v1"));
            seen = seen.report(ref, before).report(ref, now);
        }
        ActorRef<UpdateSession.Command> session = recover(false);
        session.tell(new UpdateSession.FleetChanged(seen));
        ActorRef<WorkerEvent> answers =
                fleet.workers.get("h1/0").expectMessageClass(Abort.class).replyTo();
        fleet.workers.get("h2/0").expectMessageClass(Abort.class);
        answers.tell(new Aborted("h1/0", 6, pending("e1")));
        answers.tell(new Aborted("h2/0", 6, pending("e2")));
        assertThat(expectPrepare("h1/0").checkpoint()).isEqualTo(V1);
        expectPrepare("h2/0");
    }

    @Test
    void restoresEnginesWhoseWorkersGaveTheUpdateUpBeforeAnybodyTookItOver() {
        fleet.worker("h1/0", 6, new Session(6, "u", 2, Session.Phase.GIVEN_UP, "v1"), pending("e1"))
                .worker("h2/0", 6, new Session(6, "u", 2, Session.Phase.GIVEN_UP, "v1"), pending("e2"));
        recover(false);
        ActorRef<WorkerEvent> answers =
                fleet.workers.get("h1/0").expectMessageClass(Abort.class).replyTo();
        fleet.workers.get("h2/0").expectMessageClass(Abort.class);
        answers.tell(new Aborted("h1/0", 6, pending("e1")));
        answers.tell(new Aborted("h2/0", 6, pending("e2")));
        assertThat(expectPrepare("h1/0").checkpoint()).isEqualTo(V1);
        expectPrepare("h2/0");
    }

    @Test
    void restoresAnEngineThatLostItsLinkAndCameBackWithoutWeights() {
        neverGoOnWithoutAMember();
        ActorRef<UpdateSession.Command> session = start(LoadMode.IN_PLACE);
        ActorRef<WorkerEvent> answers = prepareAll(LoadMode.IN_PLACE, 6);
        answers.tell(new Failed("h2/0", 6, "engine e2 was lost", "e2"));
        expectAll(Abort.class);
        answers.tell(new Aborted("h2/0", 6, null));
        fleet.worker("h2/0", 6, null, pending("e2"));
        session.tell(new UpdateSession.FleetChanged(fleet.view()));
        answers.tell(new Aborted("h1/0", 6, pending("e1")));
        expectPrepare("h1/0");
        assertThat(expectPrepare("h2/0").checkpoint()).isEqualTo(V1);
    }

    private static EngineStatus updating(String engine, String from) {
        return TestFleet.engine(engine, EngineStatus.State.UPDATING, from, List.of(LoadMode.IN_PLACE));
    }

    private ActorRef<UpdateSession.Command> start(@Nullable LoadMode mode) {
        return start(mode, null);
    }

    private ActorRef<UpdateSession.Command> recover(boolean commit) {
        return start(
                null,
                new UpdateStart.Orphan(6, commit, new TreeMap<>(fleet.view().workers())));
    }

    private ActorRef<UpdateSession.Command> start(@Nullable LoadMode mode, UpdateStart.@Nullable Orphan orphan) {
        epochs.observe(fleet.view());
        UpdateStart updateStart = new UpdateStart(
                "u",
                new UpdateRequest(V2, mode, Strategy.BROADCAST, null)
                        .verified(verify)
                        .under(limits),
                Set.of(),
                awaited,
                Map.of("v1", V1, "v2", V2),
                orphan,
                fleet.view(),
                epochs,
                claims,
                new JoinSources(),
                settings,
                () -> 0L,
                parent.getRef());
        return kit.spawn(UpdateSession.create(updateStart, asked -> ledger.accept(asked)));
    }

    private Prepare expectPrepare(String worker) {
        return fleet.workers.get(worker).expectMessageClass(Prepare.class);
    }

    private void expectAbort(String worker) {
        fleet.workers.get(worker).expectMessageClass(Abort.class);
    }

    private ActorRef<WorkerEvent> prepareAll(LoadMode mode, long epoch) {
        return prepareAll(mode, epoch, "h1/0", "h2/0");
    }

    private ActorRef<WorkerEvent> prepareAll(LoadMode mode, long epoch, String... workers) {
        List<Prepare> prepares =
                java.util.stream.Stream.of(workers).map(this::expectPrepare).toList();
        Prepare prepare = prepares.getFirst();
        assertThat(prepare.mode()).isEqualTo(mode);
        assertThat(prepare.epoch()).isEqualTo(epoch);
        assertThat(prepare.checkpoint()).isEqualTo(V2);
        for (String worker : workers) {
            prepare.replyTo().tell(new Prepared(worker, epoch, "plan"));
        }
        beginAll(prepare.replyTo(), epoch, workers);
        return prepare.replyTo();
    }

    private void beginAll(ActorRef<WorkerEvent> answers, long epoch) {
        beginAll(answers, epoch, "h1/0", "h2/0");
    }

    private void beginAll(ActorRef<WorkerEvent> answers, long epoch, String... workers) {
        expectAll(Begin.class);
        for (String worker : workers) {
            answers.tell(new Begun(worker, epoch));
        }
        expectAll(Stream.class);
    }

    private void stageAll(ActorRef<WorkerEvent> answers, long epoch) {
        answers.tell(new Staged("h1/0", epoch, REPORT));
        answers.tell(new Staged("h2/0", epoch, REPORT));
    }

    private void expectAll(Class<? extends WorkerCommand> type) {
        fleet.workers.values().forEach(probe -> probe.expectMessageClass(type));
    }

    private void fishPhase(String phase) {
        parent.fishForMessage(
                Duration.ofSeconds(3),
                event -> event instanceof SessionEvent.Running running
                                && running.operation().phase().equals(phase)
                        ? akka.actor.testkit.typed.javadsl.FishingOutcomes.complete()
                        : akka.actor.testkit.typed.javadsl.FishingOutcomes.continueAndIgnore());
    }

    private void fishRunning(long doneBytes) {
        // The report timer runs on manual time too: let it tick until the progress shows.
        time.timePasses(settings.progressInterval());
        parent.fishForMessage(
                Duration.ofSeconds(3),
                event -> event instanceof SessionEvent.Running running
                                && running.operation().doneBytes() == doneBytes
                        ? akka.actor.testkit.typed.javadsl.FishingOutcomes.complete()
                        : akka.actor.testkit.typed.javadsl.FishingOutcomes.continueAndIgnore());
    }

    private UpdateEnded ended() {
        List<SessionEvent> seen = parent.fishForMessage(
                Duration.ofSeconds(3),
                event -> event instanceof UpdateEnded
                        ? akka.actor.testkit.typed.javadsl.FishingOutcomes.complete()
                        : akka.actor.testkit.typed.javadsl.FishingOutcomes.continueAndIgnore());
        return (UpdateEnded) seen.getLast();
    }
}
