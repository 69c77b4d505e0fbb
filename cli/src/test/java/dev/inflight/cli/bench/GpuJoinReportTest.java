package dev.inflight.cli.bench;

import static org.assertj.core.api.Assertions.assertThat;

import dev.inflight.cli.demo.EngineRestart;
import java.util.List;
import org.junit.jupiter.api.Test;

class GpuJoinReportTest {
    @Test
    void everyJoinIsComparedWithTheCeilingThatWasMeasuredBeforeIt() {
        var report = GpuJoinReport.of(
                List.of(
                        new GpuJoinReport.Run(new EngineRestart(1.5, 0.5), 50),
                        new GpuJoinReport.Run(new EngineRestart(1.1, 0.4), 40),
                        new GpuJoinReport.Run(new EngineRestart(1.0, 0.3), 60)),
                15_000_000_000L,
                true);

        // 0.6, 0.9375 and 0.8333 of it.
        assertThat(report).isEqualTo(new GpuJoinReport(3, 0.4, 0.3, 0.5, 1.1, 50, 0.8333, true));
    }
}
