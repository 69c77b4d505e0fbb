package dev.inflight.cli.bench;

import static org.assertj.core.api.Assertions.assertThat;

import dev.inflight.cli.client.UpdateResult;
import dev.inflight.cli.client.UpdateResult.EngineOutcome;
import dev.inflight.cli.demo.LocalScenario.TimedUpdate;
import java.util.List;
import org.junit.jupiter.api.Test;

class GpuModeBenchTest {
    @Test
    void updatesAreOrderedByWhatTheCoordinatorMeasured() {
        GpuModeBench.Timed timed = new GpuModeBench.Timed(
                List.of(update(1, 0.3, 0.4, 30), update(2, 0.1, 0.9, 10), update(3, 0.2, 0.5, 20)));

        assertThat(timed.fastest().epoch()).isEqualTo(2);
        assertThat(timed.typical().epoch()).isEqualTo(3);
        assertThat(timed.slowest().epoch()).isEqualTo(1);
        assertThat(timed.medianSeconds()).isEqualTo(0.2);
        assertThat(timed.medianClientSeconds()).isEqualTo(0.5);
        assertThat(timed.medianStallMs()).isEqualTo(20);
        assertThat(timed.medianH2dSumGBps()).isEqualTo(1);
        assertThat(timed.medianRatio()).isEqualTo(0.5);
    }

    private static GpuModeBench.Run update(long epoch, double seconds, double clientSeconds, double stallMs) {
        EngineOutcome engine = new EngineOutcome("e", "w/0", "committed", "SERVING", "v1", stallMs);
        UpdateResult result = new UpdateResult(
                "demo",
                "v2",
                "v1",
                epoch,
                "in-place",
                "broadcast",
                "committed",
                null,
                seconds,
                100_000_000,
                1,
                0,
                0,
                null,
                0,
                null,
                null,
                null,
                null,
                null,
                List.of(engine),
                List.of());
        return new GpuModeBench.Run(new TimedUpdate(result, clientSeconds), 1);
    }
}
