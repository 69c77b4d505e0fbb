package dev.inflight.coordinator.join;

import static dev.inflight.coordinator.TestFleet.MODEL;
import static dev.inflight.coordinator.TestFleet.checkpoint;
import static dev.inflight.coordinator.TestFleet.engine;
import static dev.inflight.coordinator.TestFleet.pending;
import static dev.inflight.coordinator.TestFleet.serving;
import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import com.typesafe.config.ConfigFactory;
import dev.inflight.coordinator.TestFleet;
import dev.inflight.coordinator.fleet.FleetWorker;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.LoadMode;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;

class JoinsTest {
    private static final ActorTestKit KIT = ActorTestKit.create(
            ConfigFactory.parseString("akka.actor.provider = local").withFallback(ConfigFactory.load()));
    private static final Predicate<FleetWorker> FREE = worker -> true;
    private static final long SECOND = 1_000_000_000L;

    private final TestFleet fleet = new TestFleet(KIT).host("h1").host("h2");
    private final Map<String, CheckpointRef> versions = new LinkedHashMap<>();
    private final Joins joins = new Joins(new JoinSettings(true, Duration.ofSeconds(1), Duration.ofSeconds(30)));

    @AfterAll
    static void stop() {
        KIT.shutdownTestKit();
    }

    JoinsTest() {
        versions.put("v1", checkpoint("v1", 2));
        versions.put("v2", checkpoint("v2", 2));
    }

    @Test
    void anEngineWithoutWeightsJoinsWhatTheLastUpdateBrought() {
        fleet.worker("h1/0", serving("e1", "v2")).worker("h2/0", pending("e2"));
        joins.committed(MODEL, null, "v1", null);
        joins.committed(MODEL, null, "v2", null);
        assertThat(due()).containsExactly("h2/0 to v2");
    }

    @Test
    void aJoinCountsForWhoeverBroughtWhatItTakes() {
        fleet.worker("h1/0", pending("e1")).worker("h2/0", pending("e2"));
        joins.committed(MODEL, "h1", "v1", "ann");
        joins.committed(MODEL, "h2", "v1", "bob");
        assertThat(requesters()).containsExactly("h1/0 for ann", "h2/0 for bob");
        joins.committed(MODEL, null, "v2", "cleo");
        assertThat(requesters()).containsExactly("h1/0 for cleo", "h2/0 for cleo");
        joins.committed(MODEL, null, "v2", null);
        assertThat(requesters()).as("nobody said so").containsExactly("h1/0 for null", "h2/0 for null");
    }

    @Test
    void aJoinOfAnEngineThatNoUpdateMeantCountsForWhoBroughtTheSameToOthers() {
        fleet.worker("h1/0", serving("e1", "v1")).worker("h2/0", pending("e2"));
        assertThat(requesters()).containsExactly("h2/0 for null");
        joins.committed(MODEL, "h1", "v1", "ann");
        assertThat(requesters()).containsExactly("h2/0 for ann");
    }

    private List<String> requesters() {
        return joins.due(fleet.view(), this::versions, FREE, true, 0).stream()
                .map(due -> due.worker().id() + " for " + due.requester())
                .toList();
    }

    @Test
    void anEngineThatMissedTheLastUpdateJoinsToo() {
        fleet.worker("h1/0", serving("e1", "v2")).worker("h2/0", serving("e2", "v1"));
        joins.committed(MODEL, null, "v2", null);
        assertThat(due()).containsExactly("h2/0 to v2");
    }

    @Test
    void goesBackToAnOlderVersionIfTheLastUpdateDid() {
        fleet.worker("h1/0", serving("e1", "v1")).worker("h2/0", serving("e2", "v2"));
        joins.committed(MODEL, null, "v2", null);
        joins.committed(MODEL, null, "v1", null);
        assertThat(due()).containsExactly("h2/0 to v1");
    }

    @Test
    void anUpdateOfAGroupMeansItsEnginesOnly() {
        fleet.worker("h1/0", pending("e1")).worker("h2/0", pending("e2"));
        joins.committed(MODEL, null, "v1", null);
        joins.committed(MODEL, "h2", "v2", null);
        assertThat(due()).containsExactly("h1/0 to v1", "h2/0 to v2");
        joins.committed(MODEL, null, "v2", null);
        assertThat(due()).containsExactly("h1/0 to v2", "h2/0 to v2");
    }

    @Test
    void anUpdateByLabelsMeansWhoHasThemNow() {
        fleet.worker("h1/0", pending("e1")).worker("h2/0", pending("e2")).labelled("h2/0", Map.of("tenant", "a"));
        joins.committed(MODEL, null, "v1", null);
        joins.committed(MODEL, "tenant=a", "v2", null);
        assertThat(due()).containsExactly("h1/0 to v1", "h2/0 to v2");
        fleet.labelled("h1/0", Map.of("tenant", "a")).labelled("h2/0", Map.of("tenant", "b"));
        assertThat(due()).containsExactly("h1/0 to v2", "h2/0 to v1");
    }

    @Test
    void whileACanaryHoldsEachJoinerGetsItsOwn() {
        fleet.worker("h1/0", pending("e1")).worker("h2/0", pending("e2")).worker("h2/1", serving("e3", "v2"));
        // Nobody knows of an update: by the engines of its host, h2/0 would go to v2.
        joins.assumed(MODEL, null, "v1");
        joins.committed(MODEL, "h1/0|h2/1", "v2", null);
        assertThat(due()).containsExactly("h1/0 to v2", "h2/0 to v1");
        joins.committed(MODEL, "h1/0|h2/1", "v1", null);
        assertThat(due()).containsExactly("h1/0 to v1", "h2/0 to v1", "h2/1 to v1");
        joins.assumed(MODEL, null, "v2");
        assertThat(due()).as("what an update brought counts").contains("h1/0 to v1");
    }

    @Test
    void aCoordinatorThatHasSeenNoUpdateGoesByWhatMostEnginesServe() {
        fleet.worker("h1/0", serving("e1", "v1"))
                .worker("h1/1", serving("e2", "v2"))
                .worker("h1/2", serving("e3", "v1"))
                .worker("h2/0", pending("e4"));
        assertThat(due()).containsExactly("h2/0 to v1");
        fleet.worker("h2/1", serving("e5", "v2"));
        assertThat(due()).as("those of its own host go first").containsExactly("h2/0 to v2");
        assertThat(joins.due(fleet.view(), this::versions, FREE, false, 0))
                .as("before all have reported")
                .isEmpty();
    }

    @Test
    void ofVersionsThatEquallyManyServeTheNewestCounts() {
        fleet.worker("h1/0", serving("e1", "v2"))
                .worker("h1/1", serving("e2", "v1"))
                .worker("h2/0", pending("e3"));
        assertThat(due()).containsExactly("h2/0 to v2");
    }

    @Test
    void nothingIsDueWhileNothingIsServedOrPublished() {
        fleet.worker("h1/0", pending("e1")).worker("h2/0", pending("e2"));
        assertThat(due()).isEmpty();
        joins.committed(MODEL, null, "gone", null);
        assertThat(due()).isEmpty();
    }

    @Test
    void enginesThatFailedOrTakePartInAnUpdateOrWhoseHostIsAwayDoNotJoin() {
        joins.committed(MODEL, null, "v2", null);
        fleet.worker("h1/0", engine("e1", EngineStatus.State.FAILED, null, List.of(LoadMode.SHADOW)))
                .worker("h1/1", engine("e2", EngineStatus.State.UPDATING, "v1", List.of(LoadMode.SHADOW)))
                .worker("h2/0", pending("e3"))
                .worker("h3/0", pending("e4"))
                .worker("h1/2", null);
        assertThat(due()).containsExactly("h2/0 to v2");
        assertThat(joins.due(fleet.view(), this::versions, worker -> false, true, 0))
                .isEmpty();
    }

    @Test
    void anEngineHasOneJoinAtATime() {
        joins.committed(MODEL, null, "v2", null);
        fleet.worker("h1/0", pending("e1")).worker("h2/0", pending("e2"));
        joins.started("join-1", worker("h1/0"));
        assertThat(joins.running("h1/0")).isEqualTo("join-1");
        assertThat(due()).containsExactly("h2/0 to v2");
        joins.ended("join-1");
        assertThat(due()).containsExactly("h1/0 to v2", "h2/0 to v2");
    }

    @Test
    void waitsTwiceAsLongAfterEachFailureUpToALimit() {
        joins.committed(MODEL, null, "v2", null);
        fleet.worker("h1/0", pending("e1"));
        long now = 0;
        for (long wait : List.of(1, 2, 4, 8, 16, 30, 30)) {
            joins.failed(worker("h1/0"), "v2", "no source", now);
            assertThat(joins.nextRetry(now)).hasValue(now + wait * SECOND);
            assertThat(joins.due(fleet.view(), this::versions, FREE, true, now + wait * SECOND - 1))
                    .isEmpty();
            now += wait * SECOND;
            assertThat(joins.due(fleet.view(), this::versions, FREE, true, now)).hasSize(1);
        }
        assertThat(joins.trouble("h1/0")).isEqualTo(new Joins.Trouble(7, "no source"));
        joins.succeeded("h1/0");
        assertThat(joins.trouble("h1/0")).isNull();
        assertThat(joins.nextRetry(now)).isEmpty();
    }

    @Test
    void aFailureIsNewsOnceForEachReason() {
        fleet.worker("h1/0", pending("e1"));
        assertThat(joins.failed(worker("h1/0"), "v2", "no source", 0)).isTrue();
        assertThat(joins.failed(worker("h1/0"), "v2", "no source", 0)).isFalse();
        assertThat(joins.failed(worker("h1/0"), "v2", "no memory", 0)).isTrue();
    }

    @Test
    void failuresOfAnotherVersionDoNotDelayAJoin() {
        joins.committed(MODEL, null, "v1", null);
        fleet.worker("h1/0", pending("e1"));
        joins.failed(worker("h1/0"), "v1", "no source", 0);
        assertThat(due()).isEmpty();
        joins.committed(MODEL, null, "v2", null);
        assertThat(due()).containsExactly("h1/0 to v2");
    }

    @Test
    void startsNoneWhenSwitchedOff() {
        Joins off = new Joins(new JoinSettings(false, Duration.ofSeconds(1), Duration.ofSeconds(30)));
        off.committed(MODEL, null, "v2", null);
        fleet.worker("h1/0", pending("e1"));
        assertThat(off.due(fleet.view(), this::versions, FREE, true, 0)).isEmpty();
    }

    private List<String> due() {
        return joins.due(fleet.view(), this::versions, FREE, true, 0).stream()
                .map(due -> due.worker().id() + " to " + due.checkpoint().version())
                .toList();
    }

    private FleetWorker worker(String id) {
        return fleet.view().workers().get(id);
    }

    private Map<String, CheckpointRef> versions(String model) {
        return model.equals(MODEL) ? versions : Map.of();
    }
}
