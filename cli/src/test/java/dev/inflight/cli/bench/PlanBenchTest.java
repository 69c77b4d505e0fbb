package dev.inflight.cli.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PlanBenchTest {
    @ParameterizedTest
    @ValueSource(ints = {2, 256, 4096})
    void kimiK2IsBalancedAndItsPlanTravelsInSmallMessages(int workers) {
        PlanBench.Report report = PlanBench.run("kimi-k2", workers);

        assertThat(report.workers()).isEqualTo(workers);
        assertThat(report.shardImbalance()).isLessThanOrEqualTo(0.05);
        assertThat(report.largestMessageBytes()).isBetween(100, 256 << 10);
        assertThat(report.heapMiB()).isBetween(1.0, 1024.0);
        assertThat(report.planDigest()).matches("[0-9a-f]{64}");
    }

    @Test
    void noWorkersAreRefused() {
        assertThatThrownBy(() -> PlanBench.run("smollm2-135m", 0)).isInstanceOf(IllegalArgumentException.class);
    }
}
