package dev.inflight.worker.nccl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Which communicator a worker uses in which update, with an NCCL that only records. */
@Timeout(60)
class CommunicatorsTest {
    private static final List<String> MEMBERS = List.of("a/0", "b/0");

    @TempDir
    static Path directory;

    private static FakeNccl fake;
    private static NcclLibrary library;

    private final List<RankArrival> arrivals = new ArrayList<>();
    private NcclId next = id(1);
    private Communicators communicators;

    @BeforeAll
    static void load() throws Exception {
        fake = FakeNccl.build(directory);
        library = NcclLibrary.load(fake.file);
    }

    @BeforeEach
    void begin() {
        fake.reset();
        communicators = new Communicators(library, () -> {}, Duration.ofSeconds(5));
    }

    @Test
    void theFirstUpdateMakesOneAndTheNextKeepsIt() throws Exception {
        var first = communicators.join(1, MEMBERS, "b/0", this::agree);
        assertThat(first.rank()).isEqualTo(1);
        assertThat(first.rank("a/0")).isZero();
        assertThat(first.isFirstUse()).isTrue();
        var second = communicators.join(2, MEMBERS, "b/0", this::keep);
        assertThat(second).isSameAs(first);
        assertThat(second.isFirstUse()).isFalse();
        assertThat(arrivals).containsExactly(new RankArrival(1, 2, 1, null), new RankArrival(2, 2, 1, id(1)));
        assertThat(fake.calls()).isEqualTo("init(2,1);");
    }

    @Test
    void oneThatAnotherRankHasLostIsReplaced() throws Exception {
        var first = communicators.join(1, MEMBERS, "b/0", this::agree);
        next = id(2);
        var second = communicators.join(2, MEMBERS, "b/0", this::agree);
        assertThat(second).isNotSameAs(first);
        assertThat(second.isFirstUse()).isTrue();
        assertThat(fake.calls()).isEqualTo("init(2,1);abort;init(2,1);");
        assertThatThrownBy(first::check).isInstanceOf(NcclException.class).hasMessageContaining("aborted");
    }

    @Test
    void oneThatIsDroppedIsNotOfferedAgain() throws Exception {
        var first = communicators.join(1, MEMBERS, "b/0", this::agree);
        communicators.drop(first).get(20, TimeUnit.SECONDS);
        communicators.drop(first).get(20, TimeUnit.SECONDS);
        next = id(2);
        communicators.join(2, MEMBERS, "b/0", this::agree);
        assertThat(arrivals.getLast().held()).isNull();
        assertThat(fake.calls()).isEqualTo("init(2,1);abort;init(2,1);");
    }

    @Test
    void anotherMembershipHasAnother() throws Exception {
        communicators.join(1, MEMBERS, "b/0", this::agree);
        next = id(2);
        var second = communicators.join(2, List.of("a/0", "b/0", "c/0"), "b/0", this::agree);
        assertThat(arrivals.getLast()).isEqualTo(new RankArrival(2, 3, 1, null));
        assertThat(second.rank("c/0")).isEqualTo(2);
        assertThat(fake.calls()).isEqualTo("init(2,1);abort;init(3,1);");
    }

    @Test
    void oneThatNcclReportsAnErrorOfIsNotOfferedAgain() throws Exception {
        communicators.join(1, MEMBERS, "b/0", this::agree);
        fake.set("async_result", 6);
        next = id(2);
        communicators.join(2, MEMBERS, "b/0", arrival -> {
            fake.set("async_result", 0);
            return agree(arrival);
        });
        assertThat(arrivals.getLast().held()).isNull();
        assertThat(fake.calls()).isEqualTo("init(2,1);abort;init(2,1);");
    }

    @Test
    void aMeetingThatFailsLeavesTheOldOneToTheNext() throws Exception {
        var first = communicators.join(1, MEMBERS, "b/0", this::agree);
        assertThatThrownBy(() -> communicators.join(2, MEMBERS, "b/0", arrival -> {
                    throw new IllegalStateException("nobody came");
                }))
                .hasMessage("nobody came");
        assertThat(communicators.join(3, MEMBERS, "b/0", this::keep)).isSameAs(first);
    }

    @Test
    void closingEndsWhatIsKeptAndRefusesMore() throws Exception {
        communicators.join(1, MEMBERS, "b/0", this::agree);
        communicators.close();
        communicators.close();
        assertThat(fake.calls()).isEqualTo("init(2,1);abort;");
        assertThatThrownBy(() -> communicators.join(2, MEMBERS, "b/0", this::agree))
                .isInstanceOf(NcclException.class)
                .hasMessage("worker b/0 stops");
    }

    private NcclId agree(RankArrival arrival) {
        arrivals.add(arrival);
        return next;
    }

    private NcclId keep(RankArrival arrival) {
        arrivals.add(arrival);
        var held = arrival.held();
        assertThat(held).isNotNull();
        return held;
    }

    private static NcclId id(int first) {
        var bytes = new byte[NcclId.BYTES];
        bytes[0] = (byte) first;
        return NcclId.of(bytes);
    }
}
