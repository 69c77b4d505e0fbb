package dev.inflight.coordinator.update;

import static dev.inflight.coordinator.TestFleet.checkpoint;
import static dev.inflight.coordinator.TestFleet.held;
import static dev.inflight.coordinator.TestFleet.serving;
import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import com.typesafe.config.ConfigFactory;
import dev.inflight.coordinator.TestFleet;
import dev.inflight.coordinator.fleet.JoinSources;
import dev.inflight.coordinator.update.Send.Order;
import dev.inflight.coordinator.update.UpdateAttempt.State;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.Strategy;
import dev.inflight.protocol.cluster.WorkerEvent.Begun;
import dev.inflight.protocol.cluster.WorkerEvent.Prepared;
import dev.inflight.protocol.cluster.WorkerEvent.StageReport;
import dev.inflight.protocol.cluster.WorkerEvent.Staged;
import dev.inflight.protocol.plan.Membership;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;

class RoundCourseTest {
    private static final ActorTestKit KIT = ActorTestKit.create(
            ConfigFactory.parseString("akka.actor.provider = local").withFallback(ConfigFactory.load()));
    private static final CheckpointRef V2 = checkpoint("v2", 2);
    private static final UpdateRequest REQUEST = new UpdateRequest(V2, null, Strategy.BROADCAST, null);
    private static final Map<String, String> ENGINES = Map.of("h1/0", "e1", "h2/0", "e2");

    private final UpdateSettings settings = TestFleet.settings("").update();
    private final TestFleet fleet = new TestFleet(KIT)
            .host("h1", held(V2, 0, 0))
            .host("h2", held(V2, 1, 1))
            .worker("h1/0", serving("e1", "v1"))
            .worker("h2/0", serving("e2", "v1"));

    @AfterAll
    static void stop() {
        KIT.shutdownTestKit();
    }

    @Test
    void beginsWithItsOrdersAndTakesInWhoWasLostSinceItsMembersWereChosen() {
        Round round = round();
        fleet.withoutWorker("h2/0");
        RoundCourse course = new RoundCourse(round, "u", false, fleet.view());
        assertThat(orders(course.begin())).containsExactly(Order.PREPARE, Order.ABORT);
        assertThat(course.state()).isEqualTo(State.ABORTING);
    }

    @Test
    void hasTheHostOfALostOwnerStandInForIt() {
        RoundCourse course = streaming();
        fleet.withoutWorker("h2/0");
        List<UpdateCourse.Action> actions = course.onFleet(fleet.view());
        assertThat(orders(actions)).containsExactly(Order.DROP, Order.ABORT);
        assertThat(standIns(actions)).containsExactly("h2");
        assertThat(course.isRepairing()).isFalse();
    }

    @Test
    void hasShardsLoadedAgainThatWentWithAnOwner() {
        RoundCourse course = streaming();
        UpdateCourse.ToHost load = loseH2(course);
        assertThat(load.host().name()).isEqualTo("h1");
        assertThat(load.restoreId()).startsWith("u/7/");
        assertThat(course.isRepairing()).isTrue();
        assertThat(course.limit(settings)).isEqualTo(settings.restoreTimeout());

        assertThat(standIns(course.onRestored(load.restoreId(), null, 512))).containsExactly("h1");
        assertThat(course.limit(settings)).isEqualTo(settings.streamTimeout());
        assertThat(course.repaired()).isEqualTo(new UpdateResult.Repair(List.of("h2/0"), List.of("h1"), 512));
    }

    @Test
    void abortsWhenShardsThatWentWithAnOwnerCanNotBeLoadedAgain() {
        RoundCourse course = streaming();
        UpdateCourse.ToHost load = loseH2(course);
        assertThat(orders(course.onRestored(load.restoreId(), "no such file", 0)))
                .containsExactly(Order.ABORT);
        assertThat(course.round().attempt().reason()).contains("nobody can stand in for lost h2/0", "no such file");
    }

    @Test
    void theDeadlineOfARepairIsNotThatOfTheStream() {
        RoundCourse course = streaming();
        loseH2(course);
        assertThat(orders(course.onDeadline("9 ms"))).containsExactly(Order.ABORT);
        assertThat(course.round().attempt().reason())
                .isEqualTo("shards of lost owners could not be loaded again within 9 ms");
    }

    @Test
    void commitsOnlyWhatWasConfirmedOfItsOwnEpoch() {
        RoundCourse course = streaming();
        StageReport report = new StageReport(1, 1, 1, 1, 1, 100, 0);
        course.onWorker(new Staged("h1/0", 7, report));
        assertThat(orders(course.onWorker(new Staged("h2/0", 7, report)))).containsExactly(Order.CONFIRM);
        assertThat(course.onConfirmed(6)).isEmpty();
        assertThat(orders(course.onConfirmed(7))).containsExactly(Order.COMMIT);
    }

    @Test
    void readsHowATakenOverCommitEndedOffTheWorkersStates() {
        UpdateAttempt attempt = UpdateAttempt.rollForward(7, ENGINES.keySet(), ENGINES.keySet());
        Round round = new Round(REQUEST, null, new TreeMap<>(fleet.view().workers()), attempt);
        fleet.worker("h1/0", serving("e1", "v2"));
        RoundCourse course = new RoundCourse(round, "u", true, fleet.view());
        assertThat(orders(course.begin())).containsExactly(Order.COMMIT);
        assertThat(attempt.state()).isEqualTo(State.COMMITTED);
        assertThat(attempt.committed()).containsOnlyKeys("h1/0");
        assertThat(attempt.failures()).containsOnlyKeys("h2/0");
    }

    private Round round() {
        Preparation prepared = new Preparer(
                        fleet.view(),
                        REQUEST,
                        Map.of(),
                        id -> true,
                        Set.of(),
                        Map.of(),
                        false,
                        new Preparer.JoinView("u", new JoinSources()),
                        settings)
                .prepare(Set.of());
        Preparation.Ready ready = (Preparation.Ready) prepared;
        return new Round(
                REQUEST,
                ready,
                ready.members(),
                UpdateAttempt.of(
                        7,
                        ready.members().keySet(),
                        ready.receivers(),
                        ENGINES,
                        ready.replaceable().keySet()));
    }

    private RoundCourse streaming() {
        RoundCourse course = new RoundCourse(round(), "u", false, fleet.view());
        course.begin();
        ENGINES.keySet().forEach(worker -> course.onWorker(new Prepared(worker, 7, "plan")));
        ENGINES.keySet().forEach(worker -> course.onWorker(new Begun(worker, 7)));
        assertThat(course.state()).isEqualTo(State.STREAMING);
        return course;
    }

    private UpdateCourse.ToHost loseH2(RoundCourse course) {
        fleet.withoutWorker("h2/0").withoutHost("h2");
        List<UpdateCourse.Action> actions = course.onFleet(fleet.view());
        assertThat(standIns(actions)).isEmpty();
        return actions.stream()
                .filter(UpdateCourse.ToHost.class::isInstance)
                .map(UpdateCourse.ToHost.class::cast)
                .findFirst()
                .orElseThrow();
    }

    private static List<Order> orders(List<UpdateCourse.Action> actions) {
        return actions.stream()
                .filter(UpdateCourse.ToWorkers.class::isInstance)
                .map(action -> ((UpdateCourse.ToWorkers) action).send().order())
                .toList();
    }

    /** Hosts that members are told to go to, in the one message that says so. */
    private static List<String> standIns(List<UpdateCourse.Action> actions) {
        List<UpdateCourse.Repairing> told = actions.stream()
                .filter(UpdateCourse.Repairing.class::isInstance)
                .map(UpdateCourse.Repairing.class::cast)
                .toList();
        assertThat(told).hasSize(1);
        return told.getFirst().hosts().stream().map(Membership.Host::name).toList();
    }
}
