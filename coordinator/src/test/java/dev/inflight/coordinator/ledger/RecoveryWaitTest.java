package dev.inflight.coordinator.ledger;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RecoveryWaitTest {
    @ParameterizedTest
    @CsvSource({"10, 0, 10", "10, 3, 7", "10, 9, 2", "10, 3600, 2", "1, 0, 1", "1, 3600, 1"})
    void aNodeThatHasBeenUpHasWaitedAlready(int timeout, int up, int wait) {
        assertThat(LedgerWriter.recoveryWait(Duration.ofSeconds(timeout), Duration.ofSeconds(up)))
                .isEqualTo(Duration.ofSeconds(wait));
    }
}
