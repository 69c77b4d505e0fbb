package dev.inflight.coordinator.canary;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import dev.inflight.coordinator.TestFleet;
import dev.inflight.coordinator.canary.CanaryCourse.Action;
import dev.inflight.coordinator.canary.CanaryCourse.Ask;
import dev.inflight.coordinator.canary.CanaryCourse.Check;
import dev.inflight.coordinator.canary.CanaryCourse.End;
import dev.inflight.coordinator.canary.CanaryCourse.Step;
import dev.inflight.coordinator.canary.CanaryCourse.Write;
import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.ledger.LedgerEntry.CanaryMoved;
import dev.inflight.coordinator.ledger.LedgerEntry.CanaryPhase;
import dev.inflight.protocol.cluster.Canary;
import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.protocol.cluster.OperationReply.Operation;
import dev.inflight.protocol.cluster.OperationReply.Refused;
import dev.inflight.protocol.cluster.TrainerCommand.DecideCanary.Decision;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class CanaryCourseTest {
    static final CanarySettings SETTINGS = new CanarySettings(
            Duration.ofHours(1),
            Duration.ofSeconds(30),
            Duration.ofSeconds(60),
            List.of("engine"),
            Duration.ofSeconds(2),
            Duration.ofSeconds(2),
            2,
            "replica");
    static final String COMMITTED = "{\"outcome\":\"committed\",\"seconds\":0.5,\"engines\":["
            + "{\"engine\":\"e0\",\"worker\":\"h0/0\",\"outcome\":\"committed\",\"stallMs\":2.5}]}";

    private static final ActorTestKit KIT = ActorTestKit.create();
    private static final Instant BEGUN = Instant.ofEpochSecond(1_000);
    private static final SortedSet<String> CHOSEN = new TreeSet<>(List.of("h0/0"));

    private final TestFleet fleet = new TestFleet(KIT);
    private Instant now = BEGUN;
    private CanaryCourse course;
    private List<Action> actions = new ArrayList<>();

    @AfterAll
    static void stop() {
        KIT.shutdownTestKit();
    }

    @BeforeEach
    void engines() {
        for (int i = 0; i < 3; i++) {
            engine(i, "v1");
        }
    }

    private void engine(int number, String version) {
        fleet.worker("h" + number + "/0", TestFleet.serving("e" + number, version));
    }

    private static CanaryMoved state(@Nullable Duration hold, @Nullable String check) {
        return new CanaryMoved(
                "canary-1",
                new Canary("1", hold == null ? null : hold.toMillis(), check),
                CanaryPhase.UPDATING,
                CHOSEN,
                new TreeMap<>(),
                "v1",
                null,
                null,
                null,
                BEGUN);
    }

    private void course(CanaryMoved state, boolean resumed) {
        CanaryStart start = new CanaryStart(
                TestFleet.MODEL,
                "v2",
                null,
                null,
                "auto",
                null,
                state,
                resumed,
                fleet.view(),
                SETTINGS,
                InstantSource.system(),
                check -> CompletableFuture.completedFuture(CheckResult.PASSED),
                KIT.system().ignoreRef());
        course = new CanaryCourse(start, CanaryPlan.of(state.canary(), SETTINGS), BEGUN);
        actions = course.begin(now);
    }

    private void kept() {
        Write write = only(Write.class);
        actions = course.onKept(write.number(), now);
    }

    private void wait(Duration time) {
        now = now.plus(time);
        actions = course.onTick(now);
    }

    private void ends(Step step, boolean well, @Nullable String result) {
        Operation operation = new Operation(
                "update-1",
                "update",
                well ? OperationReply.State.SUCCEEDED : OperationReply.State.FAILED,
                well ? "committed" : "aborted",
                0,
                0,
                well ? null : "it broke",
                result);
        actions = course.onEnded(step, operation, now);
    }

    private void seen() {
        actions = course.onFleet(fleet.view(), now);
    }

    private <T> T only(Class<T> type) {
        assertThat(actions).singleElement().isInstanceOf(type);
        return type.cast(actions.getFirst());
    }

    private CanaryResult result() {
        return only(End.class).result();
    }

    private void holding(@Nullable Duration hold, @Nullable String check) {
        course(state(hold, check), false);
        kept();
        assertThat(only(Ask.class).step()).isEqualTo(Step.UPDATE);
        assertThat(course.group(Step.UPDATE)).isEqualTo("h0/0");
        engine(0, "v2");
        seen();
        ends(Step.UPDATE, true, COMMITTED);
        kept();
        assertThat(course.state().phase()).isEqualTo(CanaryPhase.HOLDING);
    }

    private void reverting(String detectedBy, String reason) {
        Write write = only(Write.class);
        assertThat(write.state().phase()).isEqualTo(CanaryPhase.REVERTING);
        assertThat(write.state().detectedBy()).isEqualTo(detectedBy);
        assertThat(write.state().reason()).contains(reason);
    }

    @Test
    void promotesTheOthersWhenTheHoldIsOver() {
        holding(Duration.ofSeconds(30), null);
        assertThat(actions).isEmpty();
        wait(Duration.ofSeconds(29));
        assertThat(actions).isEmpty();
        wait(Duration.ofSeconds(1));
        assertThat(only(Write.class).state().phase()).isEqualTo(CanaryPhase.PROMOTING);
        kept();
        assertThat(only(Ask.class).step()).isEqualTo(Step.PROMOTE);
        assertThat(course.group(Step.PROMOTE))
                .as("those that have it are left alone")
                .isEqualTo("!h0/0");
        ends(Step.PROMOTE, true, COMMITTED);
        assertThat(result().outcome()).isEqualTo(CanaryResult.Outcome.PROMOTED);
        assertThat(result().detectedBy()).isEqualTo("hold");
        assertThat(result().holdSeconds()).isEqualTo(30.0);
        assertThat(result().rollbackSeconds()).isNull();
    }

    @Test
    void nothingIsDoneBeforeTheLedgerHasIt() {
        course(state(Duration.ofSeconds(30), null), false);
        only(Write.class);
        wait(Duration.ofMinutes(5));
        assertThat(actions).isEmpty();
    }

    @Test
    void failingChecksRevertAndSingleOnesAreForgiven() {
        holding(Duration.ofSeconds(30), "http://engine/health");
        only(Check.class);
        course.checking(now);
        assertThat(course.onTick(now)).as("one at a time").isEmpty();
        assertThat(course.onChecked(CheckResult.failed("HTTP 500"), now)).isEmpty();
        assertThat(course.onTick(now)).as("not at once").isEmpty();
        wait(Duration.ofSeconds(2));
        only(Check.class);
        course.checking(now);
        assertThat(course.onChecked(CheckResult.PASSED, now)).isEmpty();
        for (int i = 0; i < 2; i++) {
            wait(Duration.ofSeconds(2));
            only(Check.class);
            course.checking(now);
            actions = course.onChecked(CheckResult.failed("HTTP 503"), now);
        }
        reverting("http", "HTTP 503");
        kept();
        assertThat(only(Ask.class).step()).isEqualTo(Step.REVERT);
        assertThat(course.group(Step.REVERT)).isEqualTo("h0/0");
        engine(0, "v1");
        seen();
        ends(Step.REVERT, true, COMMITTED);
        assertThat(result().outcome()).isEqualTo(CanaryResult.Outcome.REVERTED);
        assertThat(result().rollbackSeconds()).isEqualTo(0.5);
        assertThat(result().stallMs()).isEqualTo(2.5);
        assertThat(result().engines()).singleElement().extracting("worker").isEqualTo("h0/0");
    }

    @Test
    void isNotPromotedByTheClockAloneIfItIsChecked() {
        holding(Duration.ofSeconds(3), "http://engine/health");
        course.checking(now);
        wait(Duration.ofSeconds(10));
        assertThat(actions).isEmpty();
        assertThat(course.onChecked(CheckResult.PASSED, now))
                .as("of the time before the end")
                .isEmpty();
        wait(Duration.ofSeconds(2));
        only(Check.class);
        course.checking(now);
        actions = course.onChecked(CheckResult.PASSED, now);
        assertThat(only(Write.class).state().phase()).isEqualTo(CanaryPhase.PROMOTING);
    }

    @Test
    void withoutAHoldSomebodyMustDecideInTime() {
        holding(null, null);
        wait(Duration.ofMinutes(59));
        assertThat(actions).isEmpty();
        wait(Duration.ofMinutes(1));
        reverting("max-hold", "nobody promoted it");
    }

    @Test
    void whoChecksByThemselvesAndIsSilentIsNotWaitedFor() {
        holding(Duration.ofSeconds(30), "client");
        wait(Duration.ofSeconds(59));
        assertThat(actions).isEmpty();
        wait(Duration.ofSeconds(1));
        reverting("max-hold", "who checks it");
    }

    @Test
    void aLostOrRestartedEngineReverts() {
        holding(null, null);
        fleet.withoutWorker("h0/0");
        seen();
        reverting("engine", "worker h0/0 was lost");
        kept();
        assertThat(result().outcome()).as("it joins what it had").isEqualTo(CanaryResult.Outcome.REVERTED);
    }

    @Test
    void anEngineThatWasStartedAnewReverts() {
        holding(null, null);
        fleet.worker(
                "h0/0",
                new EngineStatus(
                        "e0", TestFleet.MODEL, 2, List.of(), false, EngineStatus.State.SERVING, "v2", null, null));
        seen();
        reverting("engine", "started anew");
    }

    @Test
    void theReportThatAnEngineTookItMayComeLate() {
        course(state(null, null), false);
        kept();
        ends(Step.UPDATE, true, COMMITTED);
        kept();
        assertThat(actions).isEmpty();
        wait(Duration.ofSeconds(4));
        assertThat(actions).isEmpty();
        wait(Duration.ofSeconds(1));
        reverting("engine", "with version v1");
    }

    @Test
    void anUpdateThatFailsOrLeavesOutAnEngineReverts() {
        course(state(null, null), false);
        kept();
        ends(Step.UPDATE, false, null);
        reverting("update", "it broke");
        kept();
        assertThat(result().outcome()).as("nothing to undo").isEqualTo(CanaryResult.Outcome.REVERTED);
        assertThat(result().rollbackSeconds()).isNull();

        course(state(null, null), false);
        kept();
        ends(
                Step.UPDATE,
                true,
                COMMITTED.replace("\"outcome\":\"committed\",\"stall", "\"outcome\":\"failed\",\"stall"));
        reverting("engine", "did not take the version");
    }

    @Test
    void aPromotionThatFailsReverts() {
        holding(null, null);
        actions = course.decide(Decision.PROMOTE, "operator", "asked for", now);
        kept();
        ends(Step.PROMOTE, false, null);
        reverting("update", "the promotion failed: it broke");
    }

    @Test
    void whatIsInTheWayIsWaitedForAndNotForEver() {
        course(state(null, null), false);
        kept();
        Refused conflict = new Refused(Refused.Code.CONFLICT, "verify-1 is running");
        actions = course.onRefused(Step.UPDATE, conflict, now);
        assertThat(only(Ask.class).later()).isTrue();
        now = now.plusSeconds(61);
        actions = course.onRefused(Step.UPDATE, conflict, now);
        reverting("update", "verify-1 is running");

        course(state(null, null), false);
        kept();
        actions = course.onRefused(Step.UPDATE, new Refused(Refused.Code.INVALID, "no such mode"), now);
        reverting("update", "no such mode");
    }

    @Test
    void isDecidedByHandOnlyWhereThatMakesSense() {
        course(state(null, null), false);
        kept();
        assertThat(course.objection(Decision.PROMOTE)).contains("do not all serve");
        assertThat(course.objection(Decision.REVERT)).isNull();
        actions = course.decide(Decision.REVERT, "operator", "changed my mind", now);
        kept();
        assertThat(actions).as("the update is not broken off").isEmpty();
        engine(0, "v2");
        seen();
        ends(Step.UPDATE, true, COMMITTED);
        reverting("operator", "changed my mind");
        assertThat(course.objection(Decision.PROMOTE)).contains("reverting already");
        assertThat(course.objection(Decision.REVERT)).isNull();
        assertThat(course.decide(Decision.REVERT, "operator", "asked for", now)).isEmpty();
    }

    @Test
    void theOnlyEngineIsPromotedWithoutAnother() {
        fleet.withoutWorker("h1/0").withoutWorker("h2/0");
        holding(null, null);
        actions = course.decide(Decision.PROMOTE, "operator", "asked for", now);
        kept();
        assertThat(result().outcome()).isEqualTo(CanaryResult.Outcome.PROMOTED);
    }

    @Test
    void aRollbackThatFailsIsTriedAgainAndThenLeftToJoins() {
        holding(null, null);
        actions = course.decide(Decision.REVERT, "operator", "asked for", now);
        kept();
        for (int attempt = 1; attempt < 3; attempt++) {
            ends(Step.REVERT, false, null);
            assertThat(only(Ask.class)).isEqualTo(new Ask(Step.REVERT, attempt + 1, true));
        }
        ends(Step.REVERT, false, null);
        assertThat(result().outcome()).isEqualTo(CanaryResult.Outcome.FAILED);
        assertThat(result().reason()).contains("will join", "it broke");
    }

    @Test
    void aLaterCoordinatorGoesOnInEveryPhase() {
        holding(Duration.ofSeconds(30), null);
        CanaryMoved held = course.state();
        now = now.plusSeconds(10);
        course(held, true);
        assertThat(actions).isEmpty();
        wait(Duration.ofSeconds(20));
        CanaryMoved promoting = only(Write.class).state();

        course(promoting, true);
        assertThat(only(Ask.class)).isEqualTo(new Ask(Step.PROMOTE, 1, false));
        ends(Step.PROMOTE, false, null);
        assertThat(only(Ask.class)).as("its coordinator was lost").isEqualTo(new Ask(Step.PROMOTE, 2, false));
        ends(Step.PROMOTE, false, null);
        reverting("update", "it broke");

        course(course.state(), true);
        assertThat(only(Ask.class)).isEqualTo(new Ask(Step.REVERT, 1, false));

        course(state(Duration.ofSeconds(30), null), true);
        assertThat(only(Ask.class)).isEqualTo(new Ask(Step.UPDATE, 1, false));

        now = BEGUN;
        Fleet without = fleet.withoutWorker("h0/0").view();
        course(held, true);
        assertThat(without.workers()).doesNotContainKey("h0/0");
        reverting("engine", "was lost");
    }
}
