package dev.inflight.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import dev.inflight.coordinator.ledger.LedgerEntry.OperationStarted;
import dev.inflight.coordinator.metrics.CoordinatorMetrics;
import dev.inflight.protocol.cluster.OperationReply.Operation;
import dev.inflight.protocol.cluster.OperationReply.State;
import java.time.Instant;
import java.util.Set;
import org.junit.jupiter.api.Test;

class OperationsTest {
    private final Operations operations = new Operations(2, new CoordinatorMetrics());

    @Test
    void anOperationIsKnownBeforeItsSessionHasToldOfItself() {
        begin("join-1");
        assertThat(operations.operation("join-1"))
                .extracting(Operation::kind, Operation::state, Operation::phase)
                .containsExactly("join", State.RUNNING, "preparing");
        assertThat(operations.operation("join-2")).isNull();
    }

    @Test
    void whatItsSessionTellsStandsInPlaceOfThat() {
        begin("join-1");
        Operation streaming = new Operation("join-1", "join", State.RUNNING, "streaming", 1, 2, null, null);
        operations.update(streaming);
        assertThat(operations.operation("join-1")).isEqualTo(streaming);
    }

    @Test
    void oneThatWasNotTakenIsKnownToNobody() {
        begin("join-1");
        operations.ended("join-1");
        assertThat(operations.operation("join-1")).isNull();
    }

    private void begin(String id) {
        OperationStarted start =
                new OperationStarted(id, "join", "m", "v1", null, null, null, null, null, null, null, Instant.EPOCH);
        operations.started(new Operations.Running(start, Set.of(), fleet -> {}, null));
    }
}
