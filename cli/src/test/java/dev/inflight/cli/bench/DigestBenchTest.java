package dev.inflight.cli.bench;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class DigestBenchTest {
    @Test
    void measuresWholeBlocksAndRelatesTheRates() {
        DigestBench.Report report = DigestBench.run((4 << 20) + 17);

        assertThat(report.bytes()).isEqualTo(4 << 20);
        assertThat(report.digestGBps()).isPositive();
        assertThat(report.slowestDigestGBps()).isPositive().isLessThanOrEqualTo(report.digestGBps());
        assertThat(report.ratio())
                .isCloseTo(report.digestGBps() / report.readGBps(), org.assertj.core.data.Percentage.withPercentage(1));
    }
}
