package dev.inflight.cli.bench;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.inflight.cli.client.UpdateResult;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class GpuBenchReportTest {
    private static final String COMMON = "{\"bench\":\"gpu\",\"model\":\"qwen3-8b\",\"gpus\":[\"H100\",\"H100\"],"
            + "\"hosts\":2,\"driver\":\"580.95, CUDA 13.0\",\"processors\":32,\"machine\":\"Xeon\",\"bytes\":16000,\"tensors\":399,"
            + "\"runs\":5,\"h2dGBps\":[55.0,54.0],\"h2dSumGBps\":106.0,\"ceilingSeconds\":0.15,"
            + "\"checkpointSeconds\":4.0,\"publishSeconds\":3.0,\"touchSeconds\":0.5,\"registerSeconds\":1.0,";

    private static GpuModeReport mode(String mode, boolean verified) {
        HostResources before = new HostResources(List.of(60_000L, 60_001L), 100_000, 32_000, 7, 2_500, 90);
        return new GpuModeReport(
                mode,
                0.2,
                0.19,
                0.21,
                0.3,
                106.0,
                0.75,
                0.5,
                2.5,
                768.0,
                new UpdateResult.SlotUse(3, 1 << 28, "room"),
                new UpdateResult.ExchangeUse("nccl", "two hosts"),
                new UpdateResult.Phases(0.01, 0.01, 0.15, 0.01, 0),
                new UpdateResult.Stages(0.1, 0.0, 0.1, 0.2, 0.2, 0.0),
                210.0,
                verified,
                new GpuModeReport.Repeat(50, 0.2, 105, 0.9, before, before));
    }

    private static GpuBenchReport report(
            @Nullable GpuModeReport result, @Nullable Map<String, GpuModeReport> modes, List<String> problems) {
        return new GpuBenchReport(
                "gpu",
                "qwen3-8b",
                null,
                List.of("H100", "H100"),
                2,
                "580.95, CUDA 13.0",
                32,
                "Xeon",
                16000,
                399,
                5,
                List.of(55.0, 54.0),
                106.0,
                0.15,
                4.0,
                3.0,
                0.5,
                1.0,
                result,
                modes,
                null,
                problems);
    }

    @Test
    void oneModeStandsBesideTheOtherFields() throws JsonProcessingException {
        String resources =
                "{\"deviceFreeMiB\":[60000,60001],\"memAvailableMiB\":100000,\"shmMiB\":32000,\"shmFiles\":7,"
                        + "\"workerResidentMiB\":2500,\"workerFds\":90}";

        assertThat(json(report(mode("in-place", true), null, List.of())))
                .isEqualTo(COMMON + "\"mode\":\"in-place\",\"seconds\":0.2,\"fastestSeconds\":0.19,"
                        + "\"slowestSeconds\":0.21,\"clientSeconds\":0.3,\"h2dSumGBps\":106.0,\"ratio\":0.75,\"serialSeconds\":0.5,"
                        + "\"speedup\":2.5,\"peakExtraDeviceMiB\":768.0,"
                        + "\"slots\":{\"count\":3,\"bytes\":268435456,\"reason\":\"room\"},"
                        + "\"exchange\":{\"name\":\"nccl\",\"reason\":\"two hosts\"},"
                        + "\"phases\":{\"prepareSeconds\":0.01,\"beginSeconds\":0.01,\"streamSeconds\":0.15,"
                        + "\"commitSeconds\":0.01,\"abortSeconds\":0.0},"
                        + "\"stages\":{\"h2dSeconds\":0.1,\"verifySeconds\":0.0,\"transferSeconds\":0.1,"
                        + "\"reloadSeconds\":0.2,\"streamSeconds\":0.2,\"engineVerifySeconds\":0.0},\"stallMs\":210.0,\"verified\":true,"
                        + "\"repeat\":{\"updates\":50,\"seconds\":0.2,\"h2dSumGBps\":105.0,\"ratio\":0.9,\"before\":"
                        + resources + ",\"after\":"
                        + resources + "},\"problems\":[]}");
    }

    @Test
    void bothModesAreObjectsUnderTheirNames() throws JsonProcessingException {
        Map<String, GpuModeReport> modes = new LinkedHashMap<>();
        modes.put("in-place", mode("in-place", true));
        modes.put("shadow", mode("shadow", true));

        assertThat(json(report(null, modes, List.of())))
                .startsWith(COMMON + "\"modes\":{\"in-place\":{\"mode\":\"in-place\",")
                .contains("\"shadow\":{\"mode\":\"shadow\",");
    }

    @Test
    void itPassesVerifiedAndWithoutProblemsOnly() {
        assertThat(report(mode("in-place", true), null, List.of()).passed()).isTrue();
        assertThat(report(mode("in-place", false), null, List.of()).passed()).isFalse();
        assertThat(report(mode("in-place", true), null, List.of("shadow: no memory"))
                        .passed())
                .isFalse();
        assertThat(report(null, null, List.of("in-place: aborted")).passed()).isFalse();
    }

    private static String json(GpuBenchReport report) throws JsonProcessingException {
        return new ObjectMapper().writeValueAsString(report);
    }
}
