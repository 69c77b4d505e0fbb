package dev.inflight.worker.nccl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
class RendezvousTest {
    private static final Duration PATIENT = Duration.ofSeconds(20);
    private static final NcclId KEPT = id(1);
    private static final NcclId OTHER = id(2);

    private final AtomicInteger made = new AtomicInteger();
    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();

    @AfterEach
    void stop() {
        threads.shutdownNow();
    }

    @Test
    void ranksThatHoldTheSameIdKeepIt() throws Exception {
        assertThat(met(KEPT, KEPT, KEPT)).containsExactly(KEPT, KEPT, KEPT);
        assertThat(made).hasValue(0);
    }

    @Test
    void ranksThatHoldNoneGetOneNewId() throws Exception {
        assertThat(met(null, null)).containsExactly(id(100), id(100));
        assertThat(made).hasValue(1);
    }

    @Test
    void oneThatLostItsIdOrHoldsAnotherMeansANewOneForAll() throws Exception {
        assertThat(met(KEPT, null, KEPT)).containsOnly(id(100));
        assertThat(met(null, KEPT, KEPT)).containsOnly(id(101));
        assertThat(met(KEPT, KEPT, OTHER)).containsOnly(id(102));
    }

    @Test
    void oneThatNeverComesEndsTheWaitOfTheOthersByName() {
        var rendezvous = rendezvous(Duration.ofMillis(100));
        var waiting = List.of(meet(rendezvous, 7, 4, 0, null), meet(rendezvous, 7, 4, 2, null));
        for (var rank : waiting) {
            assertThatThrownBy(rank::get)
                    .isInstanceOf(ExecutionException.class)
                    .cause()
                    .isInstanceOf(Rendezvous.Failure.class)
                    .hasMessageContaining("in epoch 7: no rank ")
                    .hasMessageContaining(" came within 100 ms");
        }
    }

    @Test
    void theNextEpochIsNotHarmedByOneThatDidNotComeAbout() throws Exception {
        var rendezvous = rendezvous(Duration.ofMillis(100));
        assertThatThrownBy(meet(rendezvous, 7, 2, 0, KEPT)::get).hasMessageContaining("no rank 1 came");
        var late = meet(rendezvous, 7, 2, 1, KEPT);
        assertThatThrownBy(late::get).hasMessageContaining("no rank 0 came");
        var first = meet(rendezvous, 8, 2, 0, KEPT);
        assertThat(meet(rendezvous, 8, 2, 1, KEPT).get()).isEqualTo(KEPT);
        assertThat(first.get()).isEqualTo(KEPT);
    }

    @Test
    void oneThatGoesAwayAgainEndsItForTheOthersAtOnce() {
        var rendezvous = rendezvous(PATIENT);
        var stays = meet(rendezvous, 7, 3, 0, null);
        var goes = meet(rendezvous, 7, 3, 1, null);
        awaitHere(rendezvous, 0);
        awaitHere(rendezvous, 1);
        assertThat(goes.cancel(true)).isTrue();
        assertThatThrownBy(stays::get).hasMessageContaining("rank 1 of 3 in epoch 7: rank 1 has gone");
    }

    @Test
    void oneThatComesTwiceOrCountsOtherwiseIsRefused() throws Exception {
        var rendezvous = rendezvous(PATIENT);
        var first = meet(rendezvous, 7, 2, 0, null);
        awaitHere(rendezvous, 0);
        assertThatThrownBy(() -> rendezvous.meet(new RankArrival(7, 2, 0, null)))
                .isInstanceOf(Rendezvous.Failure.class)
                .hasMessage("rank 0 of 2 in epoch 7: it is here already");
        assertThatThrownBy(() -> rendezvous.meet(new RankArrival(7, 3, 1, null)))
                .isInstanceOf(Rendezvous.Failure.class)
                .hasMessage("rank 1 of 3 in epoch 7: the others are 2 ranks");
        rendezvous.meet(new RankArrival(7, 2, 1, null));
        assertThat(first.get()).isEqualTo(id(100));
    }

    private static void awaitHere(Rendezvous rendezvous, int rank) {
        while (!rendezvous.isHere(7, rank)) {
            Thread.onSpinWait();
        }
    }

    @Test
    void thatNoIdCanBeMadeIsToldToAll() {
        var rendezvous = new Rendezvous(
                () -> {
                    throw new NcclException("ncclGetUniqueId: no interface");
                },
                PATIENT);
        var first = meet(rendezvous, 7, 2, 0, null);
        var second = meet(rendezvous, 7, 2, 1, null);
        assertThatThrownBy(first::get).hasMessageContaining("ncclGetUniqueId: no interface");
        assertThatThrownBy(second::get).hasMessageContaining("ncclGetUniqueId: no interface");
    }

    @Test
    void numbersOutOfRangeAreRefused() {
        assertThatThrownBy(() -> new RankArrival(1, 1, 0, null)).hasMessage("1 ranks are outside 2 to 4096");
        assertThatThrownBy(() -> new RankArrival(1, 5000, 0, null)).hasMessageContaining("outside 2 to 4096");
        assertThatThrownBy(() -> new RankArrival(1, 2, 2, null)).hasMessage("there is no rank 2 of 2");
        assertThatThrownBy(() -> new RankArrival(1, 2, -1, null)).hasMessageContaining("no rank -1");
    }

    private List<NcclId> met(@Nullable NcclId... held) throws Exception {
        var rendezvous = rendezvous(PATIENT);
        var waiting = new ArrayList<Future<NcclId>>();
        for (int rank = 0; rank < held.length; rank++) {
            waiting.add(meet(rendezvous, 7, held.length, rank, held[rank]));
        }
        var ids = new ArrayList<NcclId>();
        for (var rank : waiting) {
            ids.add(rank.get());
        }
        return ids;
    }

    private Future<NcclId> meet(Rendezvous rendezvous, long epoch, int ranks, int rank, @Nullable NcclId held) {
        return threads.submit(() -> rendezvous.meet(new RankArrival(epoch, ranks, rank, held)));
    }

    private Rendezvous rendezvous(Duration patience) {
        return new Rendezvous(() -> id(100 + made.getAndIncrement()), patience);
    }

    private static NcclId id(int first) {
        var bytes = new byte[NcclId.BYTES];
        bytes[0] = (byte) first;
        return NcclId.of(bytes);
    }
}
