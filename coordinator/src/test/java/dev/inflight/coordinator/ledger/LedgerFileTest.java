package dev.inflight.coordinator.ledger;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.inflight.coordinator.ledger.LedgerEntry.CanaryPhase;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LedgerFileTest {
    private static final List<LedgerRecord> RECORDS = List.of(
            Entries.record(1, Entries.published("v1")),
            Entries.record(2, Entries.started("update-1", "v1", "grüne")),
            Entries.record(3, Entries.committed("update-1", "v1", "grüne")));

    @TempDir
    @SuppressWarnings("NullAway.Init")
    private Path directory;

    @Test
    void hasAfterwardsWhatWasAppended() throws IOException {
        String replica;
        try (LedgerFile file = LedgerFile.open(data())) {
            file.append(RECORDS.subList(0, 1));
            file.append(RECORDS.subList(1, 3));
            file.promise(new LedgerFile.Promise(9, "w"));
            replica = file.replica();
        }
        try (LedgerFile file = LedgerFile.open(data())) {
            assertThat(file.records()).isEqualTo(RECORDS);
            assertThat(file.last()).isEqualTo(new Position(7, 3));
            assertThat(file.promise()).isEqualTo(new LedgerFile.Promise(9, "w"));
            assertThat(file.replica()).isEqualTo(replica);
        }
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(data())))
                .isEqualTo("rwx------");
    }

    @Test
    void leavesOutALastLineThatIsTornAnywhereAndGoesOnAfterTheOnesBefore() throws IOException {
        byte[] whole = written();
        int begin = lineEnd(whole, lineEnd(whole, 0));
        for (int length = begin; length < whole.length; length++) {
            Files.write(ledger(), Arrays.copyOf(whole, length));
            try (LedgerFile file = LedgerFile.open(data())) {
                assertThat(file.records()).as("%d bytes", length).isEqualTo(RECORDS.subList(0, 2));
                file.append(RECORDS.subList(2, 3));
            }
            assertThat(Files.readAllBytes(ledger())).as("%d bytes", length).isEqualTo(whole);
        }
    }

    @Test
    void refusesADamagedLineInTheMiddleByFileAndNumber() throws IOException {
        byte[] whole = written();
        int begin = lineEnd(whole, 0);
        int end = lineEnd(whole, begin);
        for (int at = begin; at < end - 1; at += 7) {
            byte[] damaged = whole.clone();
            damaged[at] ^= 1;
            Files.write(ledger(), damaged);
            assertThatThrownBy(() -> LedgerFile.open(data()))
                    .as("byte %d", at)
                    .isInstanceOf(LedgerException.class)
                    .hasMessageContaining(ledger() + ": line 2 is damaged");
        }
        Files.write(ledger(), whole);
        LedgerFile.open(data()).close();
    }

    @Test
    void replacesAndKeepsACopyOfWhatWasThere() throws IOException {
        written();
        try (LedgerFile file = LedgerFile.open(data())) {
            Path aside = file.setAside();
            file.replace(RECORDS.subList(0, 1));
            file.append(List.of(Entries.record(4, Entries.published("v4"))));
            assertThat(aside).isNotNull();
            assertThat(Files.readAllLines(aside)).hasSize(3);
        }
        try (LedgerFile file = LedgerFile.open(data())) {
            assertThat(file.records().stream().map(LedgerRecord::sequence)).containsExactly(1L, 4L);
        }
    }

    @Test
    void isOfOneNodeOnly() throws IOException {
        try (LedgerFile file = LedgerFile.open(data())) {
            assertThat(file.records()).isEmpty();
            assertThatThrownBy(() -> LedgerFile.open(data()))
                    .isInstanceOf(LedgerException.class)
                    .hasMessageContaining("another coordinator node uses this data directory");
        }
    }

    @Test
    void keepsOldEntriesThatStillSayWhatHolds() {
        List<LedgerRecord> records = List.of(
                Entries.record(1, Entries.published("v1")),
                Entries.record(2, Entries.committed("update-1", "v1", null)),
                Entries.record(3, Entries.committed("update-2", "v1", "h1")),
                Entries.record(4, Entries.committed("update-3", "v1", "h1")),
                Entries.record(5, Entries.started("update-4", "v1", null)),
                Entries.record(6, Entries.published("v2")));
        assertThat(Retention.retain(records, 1).stream().map(LedgerRecord::sequence))
                .containsExactly(1L, 2L, 4L, 5L, 6L);
    }

    @Test
    void remembersWhereARunningCanaryIsUntilItHasEnded() throws Exception {
        List<LedgerRecord> records = List.of(
                Entries.record(1, Entries.started("canary-1", "v2", null)),
                Entries.record(2, Entries.moved("canary-1", CanaryPhase.HOLDING)),
                Entries.record(3, Entries.moved("canary-1", CanaryPhase.REVERTING)),
                Entries.record(4, Entries.published("v2")));
        assertThat(Retention.retain(records, 1).stream().map(LedgerRecord::sequence))
                .containsExactly(1L, 3L, 4L);
        assertThat(LedgerState.of(records).canaries())
                .isEqualTo(Map.of("canary-1", Entries.moved("canary-1", CanaryPhase.REVERTING)));
        for (LedgerRecord record : records) {
            assertThat(LedgerCodec.read(LedgerCodec.line(record))).isEqualTo(record);
        }
        List<LedgerRecord> over = new ArrayList<>(records);
        over.add(Entries.record(5, Entries.committed("canary-1", "v2", null)));
        assertThat(LedgerState.of(over).canaries()).isEmpty();
        assertThat(Retention.retain(over, 1).stream().map(LedgerRecord::sequence))
                .containsExactly(4L, 5L);
    }

    private byte[] written() throws IOException {
        try (LedgerFile file = LedgerFile.open(data())) {
            file.append(RECORDS);
        }
        return Files.readAllBytes(ledger());
    }

    /** Where the line that begins here ends, its line feed included. */
    private static int lineEnd(byte[] bytes, int begin) {
        return begin + new String(bytes, begin, bytes.length - begin, StandardCharsets.ISO_8859_1).indexOf('\n') + 1;
    }

    private Path data() {
        return directory.resolve("data");
    }

    private Path ledger() {
        return data().resolve("ledger.jsonl");
    }
}
