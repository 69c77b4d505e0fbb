package dev.inflight.worker.nccl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** When a communicator is kept after an update and when it is aborted, with an NCCL that only records. */
@Timeout(60)
class GroupLeaseTest {
    private static final NcclId ID = NcclId.of(new byte[NcclId.BYTES]);

    @TempDir
    static Path directory;

    private static FakeNccl fake;
    private static NcclLibrary library;

    private Communicators communicators;
    private GroupLease lease;

    @BeforeAll
    static void load() throws Exception {
        fake = FakeNccl.build(directory);
        library = NcclLibrary.load(fake.file);
    }

    @BeforeEach
    void begin() {
        fake.reset();
        communicators = new Communicators(library, () -> {}, Duration.ofSeconds(5));
        lease = new GroupLease(communicators);
    }

    @AfterEach
    void nothingWasUsedAfterItsEnd() {
        if (fake != null) {
            assertThat(fake.get("used_after_free")).isZero();
        }
    }

    @Test
    void isKeptWhenAllWorkIsDone() throws Exception {
        var group = lease.join(GroupLeaseTest::join);
        lease.done();
        lease.cancelUnlessDone();
        assertThat(lease.end()).isTrue();
        // Whoever fails the update now comes too late.
        lease.cancel();
        assertThat(new GroupLease(communicators).join(GroupLeaseTest::join)).isSameAs(group);
        assertThat(fake.calls()).isEqualTo("init(2,1);");
    }

    @Test
    void isAbortedWhenWorkIsLeft() throws Exception {
        var group = lease.join(GroupLeaseTest::join);
        assertThat(lease.end()).isTrue();
        assertThat(fake.calls()).isEqualTo("init(2,1);abort;");
        assertThat(new GroupLease(communicators).join(GroupLeaseTest::join)).isNotSameAs(group);
    }

    @Test
    void isAbortedWhenTheUpdateFailsAfterItsWork() throws Exception {
        lease.join(GroupLeaseTest::join);
        lease.done();
        lease.cancel();
        lease.cancel();
        assertThat(lease.end()).isTrue();
        assertThat(fake.calls()).isEqualTo("init(2,1);abort;");
    }

    @Test
    void isAbortedAtOnceWhenTheUpdateFailedWhileItWasJoined() throws Exception {
        var group = lease.join(communicators -> {
            lease.cancel();
            return join(communicators);
        });
        assertThatThrownBy(() -> {
                    lease.end();
                    group.check();
                })
                .isInstanceOf(NcclException.class)
                .hasMessageContaining("aborted");
    }

    @Test
    void anEndThatNcclDoesNotComeToIsBounded() throws Exception {
        communicators = new Communicators(library, () -> {}, Duration.ofMillis(100));
        lease = new GroupLease(communicators);
        lease.join(GroupLeaseTest::join);
        fake.set("abort_blocks", 1);
        assertThat(lease.end()).isTrue();
        fake.set("abort_blocks", 0);
    }

    @Test
    void nothingIsToBeEndedWhereNothingWasJoined() {
        lease.cancel();
        assertThat(lease.end()).isFalse();
        assertThatThrownBy(lease::group).hasMessage("the members' communicator was not joined");
        assertThat(fake.calls()).isEmpty();
    }

    private static Group join(Communicators communicators) throws InterruptedException {
        return communicators.join(1, List.of("a/0", "b/0"), "b/0", arrival -> ID);
    }
}
