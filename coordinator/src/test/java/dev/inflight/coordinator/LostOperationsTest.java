package dev.inflight.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.ledger.LedgerEntry.OperationStarted;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;

class LostOperationsTest {
    private final LostOperations lost =
            new LostOperations(List.of(started("u", "update", "m"), started("p", "publish", "n")));

    @Test
    void enginesMayHaveMovedUntilItIsFoundOutWhatBecameOfAnUpdate() {
        assertThat(lost.mayHaveMoved("m")).isTrue();
        assertThat(lost.mayHaveMoved("n")).isFalse();

        assertThat(lost.settle(Fleet.EMPTY, new VersionLedger(2))).hasSize(2);
        assertThat(lost.mayHaveMoved("m")).isFalse();
    }

    @Test
    void anUpdateThatIsTakenOverIsNoLongerLost() {
        assertThat(lost.takeOver("u")).isNotNull();
        assertThat(lost.mayHaveMoved("m")).isFalse();
    }

    private static OperationStarted started(String id, String kind, String model) {
        return new OperationStarted(id, kind, model, "v2", null, null, null, null, null, null, null, Instant.EPOCH);
    }
}
