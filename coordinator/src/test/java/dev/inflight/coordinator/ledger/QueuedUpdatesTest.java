package dev.inflight.coordinator.ledger;

import static org.assertj.core.api.Assertions.assertThat;

import dev.inflight.coordinator.ledger.LedgerEntry.UpdateQueued;
import dev.inflight.coordinator.operation.CoordinatorQuery.GetHistory;
import dev.inflight.coordinator.operation.Json;
import dev.inflight.protocol.cluster.VerifyPoint;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;

class QueuedUpdatesTest {
    private static final UpdateQueued QUEUED = new UpdateQueued(
            Entries.started("u1", "v1", null),
            "auto",
            VerifyPoint.ENGINE,
            Entries.started("u1", "v1", null).at().plusSeconds(60),
            Entries.started("u1", "v1", null).at());

    @Test
    void anUpdateWaitsUntilItBeginsOrEnds() {
        LedgerEntry begun = Entries.started("u1", "v1", null);
        LedgerEntry ended = Entries.committed("u1", "v1", null);
        assertThat(state(QUEUED).queued()).containsExactly(QUEUED);
        assertThat(state(QUEUED).unfinished()).isEmpty();
        assertThat(state(QUEUED, begun).queued()).isEmpty();
        assertThat(state(QUEUED, begun).unfinished()).hasSize(1);
        assertThat(state(QUEUED, ended).queued()).isEmpty();
    }

    @Test
    void theOrderIsThatInWhichTheyCame() {
        UpdateQueued second =
                new UpdateQueued(Entries.started("u0", "v2", null), "broadcast", null, QUEUED.until(), QUEUED.at());
        assertThat(state(QUEUED, second).queued()).containsExactly(QUEUED, second);
    }

    @Test
    void aLedgerThatIsShortenedKeepsThoseThatWait() {
        List<LedgerRecord> all = new ArrayList<>(records(QUEUED));
        for (int i = 2; i < 12; i++) {
            all.add(Entries.record(i, Entries.committed("u" + i, "v1", "w" + i)));
        }
        assertThat(Retention.retain(all, 1)).extracting(LedgerRecord::entry).contains(QUEUED);
        all.add(Entries.record(12, Entries.started("u1", "v1", null)));
        all.add(Entries.record(13, Entries.committed("u1", "v1", "w")));
        assertThat(Retention.retain(all, 1)).extracting(LedgerRecord::entry).doesNotContain(QUEUED);
    }

    @Test
    void aLineOfTheFileHoldsAllOfIt() throws Exception {
        LedgerRecord record = Entries.record(1, QUEUED);
        assertThat(LedgerCodec.read(LedgerCodec.line(record))).isEqualTo(record);
    }

    @Test
    void historyHasOneRowForEachUpdate() {
        assertThat(outcomes(records(QUEUED))).containsExactly("queued");
        assertThat(outcomes(records(QUEUED, Entries.started("u1", "v1", null)))).containsExactly("running");
        assertThat(outcomes(records(QUEUED, Entries.started("u1", "v1", null), Entries.committed("u1", "v1", null))))
                .containsExactly("committed");
        assertThat(Objects.requireNonNull(History.operation(records(QUEUED), "u1"))
                        .operation()
                        .phase())
                .isEqualTo("queued");
    }

    private static List<String> outcomes(List<LedgerRecord> records) {
        return History.page(records, new GetHistory(null, null, null, 10, null)).rows().stream()
                .map(row -> Json.tree(row).get("outcome").asText())
                .toList();
    }

    private static LedgerState state(LedgerEntry... entries) {
        return LedgerState.of(records(entries));
    }

    private static List<LedgerRecord> records(LedgerEntry... entries) {
        List<LedgerRecord> records = new ArrayList<>();
        for (LedgerEntry entry : entries) {
            records.add(Entries.record(records.size() + 1, entry));
        }
        return List.copyOf(records);
    }
}
