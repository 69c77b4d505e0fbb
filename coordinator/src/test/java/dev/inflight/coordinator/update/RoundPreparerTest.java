package dev.inflight.coordinator.update;

import static dev.inflight.coordinator.TestFleet.checkpoint;
import static dev.inflight.coordinator.TestFleet.held;
import static dev.inflight.coordinator.TestFleet.pending;
import static dev.inflight.coordinator.TestFleet.serving;
import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import com.typesafe.config.ConfigFactory;
import dev.inflight.coordinator.TestFleet;
import dev.inflight.coordinator.fleet.Epochs;
import dev.inflight.coordinator.fleet.JoinSources;
import dev.inflight.coordinator.fleet.ShardSet;
import dev.inflight.coordinator.fleet.WorkerClaims;
import dev.inflight.coordinator.session.SessionEvent;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.cluster.OperationReply.Refused.Code;
import dev.inflight.protocol.cluster.Strategy;
import dev.inflight.protocol.cluster.VerifyPoint;
import dev.inflight.protocol.cluster.WorkerEvent.Aborted;
import java.time.Instant;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;

class RoundPreparerTest {
    private static final ActorTestKit KIT = ActorTestKit.create(
            ConfigFactory.parseString("akka.actor.provider = local").withFallback(ConfigFactory.load()));
    private static final CheckpointRef V1 = checkpoint("v1", 2);
    private static final CheckpointRef V2 = checkpoint("v2", 2);

    private final TestFleet fleet = new TestFleet(KIT)
            .host("h1", held(V1, 0, 0), held(V2, 0, 0))
            .host("h2", held(V1, 1, 1), held(V2, 1, 1))
            .worker("h1/0", serving("e1", "v1"))
            .worker("h2/0", serving("e2", "v1"));
    private final WorkerClaims claims = new WorkerClaims();

    @AfterAll
    static void stop() {
        KIT.shutdownTestKit();
    }

    @Test
    void claimsTheMembersOfTheRound() {
        RoundPreparer preparer = preparer("", Set.of());
        Round round = begun(preparer.prepare(fleet.view()));
        assertThat(round.members()).containsOnlyKeys("h1/0", "h2/0");
        assertThat(round.request().checkpoint()).isEqualTo(V2);
        assertThat(claims.ofOthers("another")).isEqualTo(Map.of("h1/0", "u", "h2/0", "u"));
    }

    @Test
    void claimsNobodyForWhatCanNotBeDone() {
        claims.claim("another", Set.of("h2/0"));
        assertThat(preparer("", Set.of()).prepare(fleet.view()))
                .isInstanceOfSatisfying(
                        RoundPreparer.No.class,
                        no -> assertThat(no.refused().code()).isEqualTo(Code.CONFLICT));
        assertThat(claims.ofOthers("u")).containsOnlyKeys("h2/0");
    }

    @Test
    void anAttemptOutlivesOwnersOnlyIfItIsToGoOnWithoutThem() {
        assertThat(begun(preparer("", Set.of()).prepare(fleet.view())).attempt().outlivesOwners())
                .isTrue();
        assertThat(begun(preparer("inflight.coordinator.update.on-member-loss = abort", Set.of())
                                .prepare(fleet.view()))
                        .attempt()
                        .outlivesOwners())
                .isFalse();
    }

    @Test
    void beginsOnceLostShardsAreBack() {
        fleet.withoutWorker("h2/0").withoutHost("h2");
        RoundPreparer preparer = preparer("", Set.of());
        UpdateCourse.ToHost load = loading(preparer.prepare(fleet.view()));
        assertThat(load.host().name()).isEqualTo("h1");
        assertThat(load.shards()).isEqualTo(ShardSet.ofIndexes(Set.of(1)));
        assertThat(preparer.isRestoring()).isTrue();
        // The host's own report does not show them yet.
        Round round = begun(preparer.onRestored(load.restoreId(), null, fleet.view()));
        assertThat(round.members()).containsOnlyKeys("h1/0");
        assertThat(preparer.isRestoring()).isFalse();
    }

    @Test
    void isImpossibleRatherThanRefusedOnceShardsWereLoadedForIt() {
        fleet.withoutWorker("h2/0").withoutHost("h2");
        RoundPreparer preparer = preparer("", Set.of());
        UpdateCourse.ToHost load = loading(preparer.prepare(fleet.view()));
        claims.claim("another", Set.of("h1/0"));
        assertThat(preparer.onRestored(load.restoreId(), null, fleet.view()))
                .isInstanceOfSatisfying(
                        RoundPreparer.Impossible.class,
                        no -> assertThat(no.reason()).contains("h1/0", "another"));
    }

    @Test
    void isImpossibleIfNobodyCanLoadLostShards() {
        fleet.withoutWorker("h2/0").withoutHost("h2");
        RoundPreparer preparer = preparer("", Set.of());
        UpdateCourse.ToHost load = loading(preparer.prepare(fleet.view()));
        assertThat(preparer.onRestored(load.restoreId(), "no such file", fleet.view()))
                .isInstanceOfSatisfying(
                        RoundPreparer.Impossible.class,
                        no -> assertThat(no.reason()).contains("no such file"));
    }

    @Test
    void aRestoringRoundIsForEnginesThatAreIdleAndLeavesOutWhoDidNotAnswer() {
        RoundPreparer preparer = preparer("", Set.of());
        UpdateAttempt attempt = begun(preparer.prepare(fleet.view())).attempt();
        attempt.cancel("not wanted");
        attempt.on(new Aborted("h1/0", attempt.epoch(), pending("e1")));
        attempt.deadline("1 s");
        preparer.aborted(attempt);
        preparer.rollBack(new Rollback.Due(
                new UpdateRequest(V1, LoadMode.IN_PLACE, Strategy.BROADCAST, null), Set.of("h1/0", "h2/0")));
        assertThat(preparer.goal().checkpoint()).isEqualTo(V1);
        assertThat(preparer.goal().verify()).isEqualTo(VerifyPoint.ENGINE);

        // What the silent one's host holds does not count either.
        UpdateCourse.ToHost load = loading(preparer.prepare(fleet.view()));
        assertThat(load.host().name()).isEqualTo("h1");
        Round round = begun(preparer.onRestored(load.restoreId(), null, fleet.view()));
        assertThat(round.members()).containsOnlyKeys("h1/0");
        assertThat(round.attempt().epoch()).isGreaterThan(attempt.epoch());
    }

    @Test
    void awaitsEnginesWhoseJoinsWereBrokenOffAndCanDoWithoutThem() {
        claims.claim("join", Set.of("h2/0"));
        RoundPreparer preparer = preparer("", Set.of("h2/0", "gone/0"));
        assertThat(preparer.awaitsJoins(fleet.view())).isTrue();
        claims.release("join");
        assertThat(preparer.awaitsJoins(fleet.view())).isFalse();

        claims.claim("join", Set.of("h2/0"));
        preparer.leaveOutJoining(fleet.view());
        UpdateCourse.ToHost load = loading(preparer.prepare(fleet.view()));
        assertThat(begun(preparer.onRestored(load.restoreId(), null, fleet.view()))
                        .members())
                .containsOnlyKeys("h1/0");
    }

    private RoundPreparer preparer(String overrides, Set<String> awaited) {
        return new RoundPreparer(new UpdateStart(
                "u",
                new UpdateRequest(V2, null, Strategy.BROADCAST, null).verified(VerifyPoint.ENGINE),
                Set.of(),
                awaited,
                Map.of("v1", V1, "v2", V2),
                null,
                fleet.view(),
                new Epochs(() -> Instant.EPOCH),
                claims,
                new JoinSources(),
                TestFleet.settings(overrides).update(),
                () -> 0L,
                KIT.system().<SessionEvent>ignoreRef()));
    }

    private static Round begun(RoundPreparer.Step step) {
        assertThat(step).isInstanceOf(RoundPreparer.Begin.class);
        return ((RoundPreparer.Begin) step).round();
    }

    private static UpdateCourse.ToHost loading(RoundPreparer.Step step) {
        assertThat(step)
                .isInstanceOfSatisfying(
                        RoundPreparer.Wait.class,
                        wait -> assertThat(wait.actions()).hasOnlyElementsOfType(UpdateCourse.ToHost.class));
        return (UpdateCourse.ToHost) ((RoundPreparer.Wait) step).actions().getFirst();
    }
}
