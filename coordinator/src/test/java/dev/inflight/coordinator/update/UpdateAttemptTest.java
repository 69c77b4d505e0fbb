package dev.inflight.coordinator.update;

import static org.assertj.core.api.Assertions.assertThat;

import dev.inflight.coordinator.update.Send.Order;
import dev.inflight.coordinator.update.UpdateAttempt.State;
import dev.inflight.protocol.cluster.WorkerEvent;
import dev.inflight.protocol.cluster.WorkerEvent.Aborted;
import dev.inflight.protocol.cluster.WorkerEvent.Begun;
import dev.inflight.protocol.cluster.WorkerEvent.Committed;
import dev.inflight.protocol.cluster.WorkerEvent.ConsumerLost;
import dev.inflight.protocol.cluster.WorkerEvent.Failed;
import dev.inflight.protocol.cluster.WorkerEvent.OwnerLost;
import dev.inflight.protocol.cluster.WorkerEvent.PrepareRefused;
import dev.inflight.protocol.cluster.WorkerEvent.Prepared;
import dev.inflight.protocol.cluster.WorkerEvent.Progress;
import dev.inflight.protocol.cluster.WorkerEvent.StageReport;
import dev.inflight.protocol.cluster.WorkerEvent.Staged;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class UpdateAttemptTest {
    private static final StageReport REPORT = new StageReport(1, 1, 1, 1, 1, 100, 0);

    private final UpdateAttempt attempt = UpdateAttempt.of(7, Set.of("a", "b", "source"), Set.of("a", "b"));

    @Test
    void beginsOnceAllMembersAgreeOnThePlan() {
        assertThat(attempt.on(new Prepared("a", 7, "p"))).isEmpty();
        assertThat(attempt.on(new Prepared("b", 7, "p"))).isEmpty();
        assertThat(orders(attempt.on(new Prepared("source", 7, "p")))).containsExactly(Order.BEGIN);
        assertThat(attempt.state()).isEqualTo(State.BEGINNING);
        assertThat(attempt.planDigest()).isEqualTo("p");
    }

    @Test
    void streamsOnceAllMembersHaveBegunThoseWithoutAnEngineIncluded() {
        agreeAll();
        assertThat(attempt.on(new Begun("a", 7))).isEmpty();
        assertThat(attempt.on(new Begun("b", 7))).isEmpty();
        assertThat(orders(attempt.on(new Begun("source", 7)))).containsExactly(Order.STREAM);
        assertThat(attempt.state()).isEqualTo(State.STREAMING);
    }

    @Test
    void theReasonIsThatOfTheWorkerToBlameEvenIfItsPeerSpeaksFirst() {
        agreeAll();
        attempt.on(new Failed("b", 7, "consumer a was lost: its connection broke", "a"));
        attempt.on(new Failed("source", 7, "consumer a was lost: its connection broke", "a"));
        attempt.on(new Failed("a", 7, "engine e: tensor \"w\" has another shape", "e"));
        assertThat(attempt.reason()).contains("tensor \"w\" has another shape");
    }

    @Test
    void theReasonIsTheLossOfAWorkerEvenIfABrokenConnectionOfAnotherWasHeardOfFirst() {
        prepareAll();
        attempt.on(new Failed("b", 7, "consumer a was lost: its connection broke", "a"));
        attempt.on(new Aborted("a", 7, null));
        attempt.on(new Aborted("b", 7, null));
        assertThat(attempt.state()).isEqualTo(State.ABORTING);
        attempt.lost("source");
        assertThat(attempt.state()).isEqualTo(State.ABORTED);
        assertThat(attempt.reason())
                .isEqualTo("worker source was lost; first noticed by b: consumer a was lost: its connection broke"
                        + " (suspect: a)");
    }

    @Test
    void aReasonThatBlamesNoOtherWorkerStaysTheFirst() {
        prepareAll();
        attempt.on(new Failed("a", 7, "engine e: tensor \"w\" has another shape", "e"));
        attempt.lost("b");
        attempt.lost("source");
        assertThat(attempt.reason())
                .startsWith("a: engine e: tensor \"w\" has another shape")
                .endsWith("; then workers [b, source] were lost");
    }

    @Test
    void abortsAtOnceWhenAMemberFailsOrIsLostWhileBeginning() {
        agreeAll();
        assertThat(orders(attempt.on(new Failed("a", 7, "engine a was lost", "a"))))
                .containsExactly(Order.ABORT);
        UpdateAttempt other = UpdateAttempt.of(7, Set.of("a", "b"), Set.of("a"));
        other.on(new Prepared("a", 7, "p"));
        other.on(new Prepared("b", 7, "p"));
        assertThat(orders(other.lost("b"))).containsExactly(Order.ABORT);
        assertThat(other.reason()).isEqualTo("worker b was lost");
    }

    @Test
    void abortsNamingThoseThatDidNotBeginInTime() {
        agreeAll();
        attempt.on(new Begun("a", 7));
        assertThat(orders(attempt.deadline("60000 ms"))).containsExactly(Order.ABORT);
        assertThat(attempt.reason()).contains("[b, source]", "60000 ms");
    }

    @Test
    void abortsWhenPlansDiffer() {
        attempt.on(new Prepared("a", 7, "p"));
        attempt.on(new Prepared("b", 7, "q"));
        assertThat(orders(attempt.on(new Prepared("source", 7, "p")))).containsExactly(Order.ABORT);
        assertThat(attempt.reason()).contains("different plans");
    }

    @Test
    void commitsOnceAllReceiversAreStagedAndEndsWhenTheyAreLive() {
        prepareAll();
        attempt.on(new Staged("a", 7, REPORT));
        assertThat(orders(attempt.on(new Staged("b", 7, REPORT)))).containsExactly(Order.CONFIRM);
        assertThat(orders(attempt.confirmed())).containsExactly(Order.COMMIT);
        attempt.on(new Committed("a", 7, 5));
        assertThat(attempt.state()).isEqualTo(State.COMMITTING);
        attempt.on(new Committed("b", 7, 5));
        assertThat(attempt.state()).isEqualTo(State.COMMITTED);
        assertThat(attempt.failures()).isEmpty();
    }

    @Test
    void asksAgainWhetherItMayCommitAndCommitsNothingUntilThen() {
        prepareAll();
        assertThat(attempt.confirmed()).isEmpty();
        attempt.on(new Staged("a", 7, REPORT));
        attempt.on(new Staged("b", 7, REPORT));
        assertThat(attempt.state()).isEqualTo(State.STAGED);
        assertThat(orders(attempt.resend())).containsExactly(Order.CONFIRM);
        assertThat(orders(attempt.deadline("60000 ms"))).containsExactly(Order.ABORT);
        assertThat(attempt.reason()).contains("no majority of the coordinator nodes", "60000 ms");
        assertThat(attempt.confirmed()).isEmpty();
    }

    @Test
    void abortsOrGoesOnWhenAMemberIsLostBeforeItMayCommit() {
        prepareAll();
        attempt.on(new Staged("a", 7, REPORT));
        attempt.on(new Staged("b", 7, REPORT));
        assertThat(orders(attempt.lost("a"))).containsExactly(Order.ABORT);
        assertThat(attempt.confirmed()).isEmpty();

        UpdateAttempt some = outlivingOwners();
        begin(some);
        some.on(new Staged("a", 7, REPORT));
        some.on(new Staged("b", 7, REPORT));
        assertThat(orders(some.lost("b"))).containsExactly(Order.DROP, Order.ABORT);
        // Nothing is missing from it any more.
        assertThat(some.lostOwners()).isEmpty();
        assertThat(orders(some.confirmed())).containsExactly(Order.COMMIT);
    }

    @Test
    void ignoresAnswersOfOtherEpochs() {
        attempt.on(new Prepared("a", 6, "old"));
        attempt.on(new Failed("a", 6, "old", null));
        attempt.on(new PrepareRefused("b", 8, "new"));
        prepareAll();
        assertThat(attempt.state()).isEqualTo(State.STREAMING);
    }

    @Test
    void abortsWhenASourceWithoutEngineIsLostBeforeTheCommitPoint() {
        prepareAll();
        assertThat(orders(attempt.lost("source"))).containsExactly(Order.ABORT);
        attempt.on(new Aborted("a", 7, null));
        attempt.on(new Aborted("b", 7, null));
        assertThat(attempt.state()).isEqualTo(State.ABORTED);
        assertThat(attempt.reason()).isEqualTo("worker source was lost");
    }

    @Test
    void rollsForwardWhenAReceiverIsLostAfterTheCommitPoint() {
        prepareAll();
        attempt.on(new Staged("a", 7, REPORT));
        attempt.on(new Staged("b", 7, REPORT));
        attempt.confirmed();
        attempt.lost("b");
        attempt.on(new Committed("a", 7, 5));
        assertThat(attempt.state()).isEqualTo(State.COMMITTED);
        assertThat(attempt.failures()).containsOnlyKeys("b");
    }

    @Test
    void sendsCommitAgainOnlyToThoseThatHaveNotAnswered() {
        prepareAll();
        attempt.on(new Staged("a", 7, REPORT));
        attempt.on(new Staged("b", 7, REPORT));
        attempt.confirmed();
        attempt.on(new Committed("a", 7, 5));
        assertThat(attempt.resend()).singleElement().satisfies(send -> {
            assertThat(send.order()).isEqualTo(Order.COMMIT);
            assertThat(send.workers()).containsExactly("b", "source");
        });
    }

    @Test
    void goesOnWithoutALostReceiverThatNobodyNeeds() {
        UpdateAttempt some = withExpendableB();
        assertThat(some.lost("b"))
                .containsExactly(
                        new Send(Order.DROP, new TreeSet<>(Set.of("a", "source")), "b"),
                        new Send(Order.ABORT, new TreeSet<>(Set.of("b")), null));
        assertThat(orders(some.on(new Staged("a", 7, REPORT)))).containsExactly(Order.CONFIRM);
        some.confirmed();
        some.on(new Committed("a", 7, 5));
        assertThat(some.state()).isEqualTo(State.COMMITTED);
        assertThat(some.failures()).isEqualTo(Map.of("b", "lost before the commit point"));
    }

    @Test
    void commitsAtOnceIfTheOthersWereStagedWhenAReceiverIsDropped() {
        UpdateAttempt some = withExpendableB();
        some.on(new Staged("a", 7, REPORT));
        assertThat(orders(some.lost("b"))).containsExactly(Order.DROP, Order.ABORT, Order.CONFIRM);
    }

    @Test
    void dropsAReceiverWhoseEngineIsGoneOrWhomItsSourceLost() {
        UpdateAttempt some = withExpendableB();
        assertThat(orders(some.on(new Failed("b", 7, "engine e-b was lost: link closed", "e-b"))))
                .containsExactly(Order.DROP, Order.ABORT);
        assertThat(some.on(new ConsumerLost("a", 7, "b", "its connection broke")))
                .isEmpty();
        UpdateAttempt other = withExpendableB();
        assertThat(orders(other.on(new ConsumerLost("a", 7, "b", "its connection broke"))))
                .containsExactly(Order.DROP, Order.ABORT);
        assertThat(other.failures().get("b")).contains("its connection broke", "said a");
    }

    @Test
    void abortsWhenAReceiverFailsForAnotherReasonThanItsLoss() {
        UpdateAttempt some = withExpendableB();
        assertThat(orders(some.on(new Failed("b", 7, "engine e-b: tensor \"w\" has another shape", null))))
                .containsExactly(Order.ABORT);
        assertThat(some.state()).isEqualTo(State.ABORTING);
    }

    @Test
    void abortsWhenTheLastReceiverIsLost() {
        UpdateAttempt some = UpdateAttempt.of(7, Set.of("b", "source"), Set.of("b"), Map.of("b", "e-b"), Set.of());
        assertThat(orders(some.lost("b"))).containsExactly(Order.ABORT);
        assertThat(some.state()).isEqualTo(State.ABORTING);
    }

    @Test
    void abortsWhenAConsumerIsLostThatOthersNeed() {
        prepareAll();
        assertThat(orders(attempt.on(new ConsumerLost("source", 7, "a", "its connection broke"))))
                .containsExactly(Order.ABORT);
        assertThat(attempt.reason()).contains("consumer a was lost: its connection broke (suspect: a)");
    }

    @Test
    void canBeCancelledBeforeItsCommitPointOnly() {
        prepareAll();
        attempt.on(new Staged("a", 7, REPORT));
        attempt.on(new Staged("b", 7, REPORT));
        attempt.confirmed();
        assertThat(attempt.cancel("not wanted")).isEmpty();
        UpdateAttempt early = UpdateAttempt.of(7, Set.of("a"), Set.of("a"));
        assertThat(orders(early.cancel("not wanted"))).containsExactly(Order.ABORT);
        assertThat(early.reason()).isEqualTo("not wanted");
    }

    @Test
    void goesOnWithoutALostOwnerThatOthersCanStandInFor() {
        UpdateAttempt some = outlivingOwners();
        begin(some);
        assertThat(some.lost("b"))
                .containsExactly(
                        new Send(Order.DROP, new TreeSet<>(Set.of("a", "source")), "b"),
                        new Send(Order.ABORT, new TreeSet<>(Set.of("b")), null));
        assertThat(some.lost("source")).extracting(Send::order).containsExactly(Order.DROP, Order.ABORT);
        assertThat(some.lostOwners()).containsExactly("b", "source");
        assertThat(orders(some.on(new Staged("a", 7, REPORT)))).containsExactly(Order.CONFIRM);
        assertThat(some.lostOwners()).isEmpty();
        some.confirmed();
        some.on(new Committed("a", 7, 5));
        assertThat(some.state()).isEqualTo(State.COMMITTED);
        assertThat(some.failures()).isEqualTo(Map.of("b", "lost before the commit point"));
    }

    @Test
    void goesOnWithoutAnOwnerWhileEnginesPause() {
        UpdateAttempt some = outlivingOwners();
        agree(some);
        some.on(new Begun("a", 7));
        some.on(new Begun("b", 7));
        assertThat(orders(some.lost("source"))).containsExactly(Order.DROP, Order.ABORT, Order.STREAM);
    }

    @Test
    void dropsAnOwnerWhoseEngineIsGoneButNotOneThatPeersLost() {
        UpdateAttempt some = outlivingOwners();
        begin(some);
        assertThat(some.on(new ConsumerLost("a", 7, "b", "its connection broke")))
                .isEmpty();
        assertThat(orders(some.on(new Failed("b", 7, "engine e-b was lost: link closed", "e-b"))))
                .containsExactly(Order.DROP, Order.ABORT);
        UpdateAttempt other = outlivingOwners();
        begin(other);
        assertThat(orders(other.on(new Failed("a", 7, "owner b was lost and nobody took its place", "b"))))
                .containsExactly(Order.ABORT);
    }

    @Test
    void keepsAnOwnerThatOnlyAPeerLostAndThatPeerToo() {
        UpdateAttempt some = UpdateAttempt.of(
                7, Set.of("a", "b", "source"), Set.of("a", "b"), Map.of("a", "e-a", "b", "e-b"), Set.of("source"));
        begin(some);
        assertThat(some.on(new OwnerLost("a", 7, "source", "a chunk was damaged")))
                .containsExactly(new Send(Order.DROP, new TreeSet<>(Set.of("source")), "a"));
        assertThat(some.lostTo("a")).containsExactly("source");
        assertThat(some.lostTo("b")).isEmpty();
        assertThat(some.on(new ConsumerLost("source", 7, "a", "its connection broke")))
                .isEmpty();
        some.on(new Staged("a", 7, REPORT));
        assertThat(some.on(new Staged("b", 7, REPORT)))
                .singleElement()
                .satisfies(send -> assertThat(send.workers()).containsExactly("a", "b", "source"));
    }

    @Test
    void abortsWithoutAReceiverEvenIfOthersCouldStandIn() {
        UpdateAttempt some = outlivingOwners();
        begin(some);
        some.lost("a");
        assertThat(orders(some.lost("b"))).containsExactly(Order.ABORT);
    }

    @Test
    void isWorthAnotherIfAnOwnerIsLostBeforeAnyEngineIsTouchedAndOnlyThen() {
        UpdateAttempt some = outlivingOwners();
        some.on(new PrepareRefused("a", 7, "can not reach b"));
        some.on(new Aborted("a", 7, null));
        some.on(new Aborted("source", 7, null));
        some.lost("b");
        assertThat(some.isWorthAnother()).isTrue();

        UpdateAttempt refused = outlivingOwners();
        refused.on(new PrepareRefused("a", 7, "no memory"));
        List.of("a", "b", "source").forEach(worker -> refused.on(new Aborted(worker, 7, null)));
        assertThat(refused.state()).isEqualTo(State.ABORTED);
        assertThat(refused.isWorthAnother()).isFalse();

        UpdateAttempt begun = outlivingOwners();
        begin(begun);
        begun.on(new Failed("a", 7, "bad block", null));
        begun.lost("b");
        begun.on(new Aborted("a", 7, null));
        begun.on(new Aborted("source", 7, null));
        assertThat(begun.state()).isEqualTo(State.ABORTED);
        assertThat(begun.isWorthAnother()).isFalse();
    }

    private static UpdateAttempt outlivingOwners() {
        return UpdateAttempt.of(
                7,
                Set.of("a", "b", "source"),
                Set.of("a", "b"),
                Map.of("a", "e-a", "b", "e-b"),
                Set.of("a", "b", "source"));
    }

    private static void agree(UpdateAttempt some) {
        List.of("a", "b", "source").forEach(worker -> some.on(new Prepared(worker, 7, "p")));
    }

    private static void begin(UpdateAttempt some) {
        agree(some);
        List.of("a", "b", "source").forEach(worker -> some.on(new Begun(worker, 7)));
        assertThat(some.state()).isEqualTo(State.STREAMING);
    }

    private static UpdateAttempt withExpendableB() {
        UpdateAttempt some =
                UpdateAttempt.of(7, Set.of("a", "b", "source"), Set.of("a", "b"), Map.of("b", "e-b"), Set.of());
        List.of("a", "b", "source").forEach(worker -> some.on(new Prepared(worker, 7, "p")));
        List.of("a", "b", "source").forEach(worker -> some.on(new Begun(worker, 7)));
        assertThat(some.state()).isEqualTo(State.STREAMING);
        return some;
    }

    /** Whoever of the expendable is lost whenever: what commits was staged, and only the dropped are told to abort. */
    @Property(tries = 2000)
    void commitsOnlyWhatIsStagedWhoeverIsDropped(@ForAll long seed, @ForAll boolean owners) {
        Random random = new Random(seed);
        List<String> members = List.of("a", "b", "c");
        UpdateAttempt any = UpdateAttempt.of(
                7, members, members, Map.of("b", "e-b", "c", "e-c"), owners ? Set.of("b", "c") : Set.of());
        List<Send> sent = new ArrayList<>(any.start());
        Set<String> staged = new HashSet<>();
        Set<String> dropped = new HashSet<>();
        for (int step = 0; step < 60; step++) {
            String worker = members.get(random.nextInt(3));
            WorkerEvent event = random.nextInt(12) == 0
                    ? new ConsumerLost(worker, 7, members.get(random.nextInt(3)), "broke")
                    : randomEvent(random, worker, 7);
            if (event instanceof Staged && any.state() == State.STREAMING) {
                staged.add(worker);
            }
            List<Send> sends = random.nextInt(30) == 0
                    ? any.lost(worker)
                    : random.nextInt(4) == 0 ? any.confirmed() : any.on(event);
            sends.stream().filter(send -> send.order() == Order.DROP).forEach(send -> dropped.add(send.about()));
            sent.addAll(sends);
        }
        for (int deadline = 0; deadline < 4 && !any.state().ended(); deadline++) {
            sent.addAll(any.deadline("1 s"));
        }
        assertThat(any.state().ended()).isTrue();
        assertThat(dropped).doesNotContain("a").hasSizeLessThan(3);
        if (any.state() == State.COMMITTED) {
            Set<String> kept = new HashSet<>(members);
            kept.removeAll(dropped);
            assertThat(staged).containsAll(kept);
            assertThat(sent).allSatisfy(send -> {
                if (send.order() == Order.ABORT) {
                    assertThat(dropped).containsAll(send.workers());
                }
            });
            members.forEach(m -> assertThat(
                            any.committed().containsKey(m) ^ any.failures().containsKey(m))
                    .isTrue());
        }
    }

    /** Whatever happens in whatever order, it ends, and it ends in commit only if every receiver was staged. */
    @Property(tries = 2000)
    void endsInCommitOrAbortWithinItsDeadlines(@ForAll long seed) {
        Random random = new Random(seed);
        List<String> members = List.of("a", "b", "c");
        Set<String> receivers = Set.of("a", "b");
        UpdateAttempt any = UpdateAttempt.of(7, members, receivers);
        List<Order> sent = new ArrayList<>(orders(any.start()));
        Set<String> staged = new HashSet<>();
        for (int step = 0; step < 60; step++) {
            String worker = members.get(random.nextInt(3));
            long epoch = random.nextInt(10) == 0 ? 6 : 7;
            WorkerEvent event = randomEvent(random, worker, epoch);
            if (event instanceof Staged && epoch == 7 && any.state() == State.STREAMING) {
                staged.add(worker);
            }
            sent.addAll(orders(
                    random.nextInt(30) == 0
                            ? any.lost(worker)
                            : random.nextInt(4) == 0 ? any.confirmed() : any.on(event)));
            if (random.nextInt(15) == 0) {
                sent.addAll(orders(any.resend()));
            }
        }
        for (int deadline = 0; deadline < 4 && !any.state().ended(); deadline++) {
            sent.addAll(orders(any.deadline("1 s")));
        }
        assertThat(any.state().ended()).isTrue();
        if (any.state() == State.COMMITTED) {
            assertThat(staged).containsAll(receivers);
            assertThat(sent).doesNotContain(Order.ABORT);
            receivers.forEach(r -> assertThat(
                            any.committed().containsKey(r) ^ any.failures().containsKey(r))
                    .isTrue());
        } else {
            assertThat(sent).doesNotContain(Order.COMMIT);
            assertThat(any.reason()).isNotNull();
        }
    }

    private static WorkerEvent randomEvent(Random random, String worker, long epoch) {
        return switch (random.nextInt(22)) {
            case 0 -> new PrepareRefused(worker, epoch, "no");
            case 1 -> new Failed(worker, epoch, "broke", null);
            case 2, 3 -> new Aborted(worker, epoch, null);
            case 4, 5 -> new Committed(worker, epoch, 1);
            case 6, 7 -> new Progress(worker, epoch, random.nextInt(100));
            case 8, 9, 10, 11, 12 -> new Staged(worker, epoch, REPORT);
            case 13, 14, 15 -> new Begun(worker, epoch);
            default -> new Prepared(worker, epoch, random.nextInt(40) == 0 ? "q" : "p");
        };
    }

    private void prepareAll() {
        agreeAll();
        attempt.on(new Begun("a", 7));
        attempt.on(new Begun("b", 7));
        attempt.on(new Begun("source", 7));
    }

    private void agreeAll() {
        attempt.on(new Prepared("a", 7, "p"));
        attempt.on(new Prepared("b", 7, "p"));
        attempt.on(new Prepared("source", 7, "p"));
    }

    private static List<Order> orders(List<Send> sends) {
        return sends.stream().map(Send::order).toList();
    }
}
