package dev.inflight.cli.demo;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import org.junit.jupiter.api.Test;

class DemoReportTest {
    private static DemoReport report(long sent, long failed, long mixed, boolean verified) {
        return new DemoReport(
                "update",
                "reference",
                "in-place",
                2,
                null,
                "transfers",
                1000,
                3,
                0.5,
                4.0,
                20.0,
                0.2,
                12.5,
                new DemoReport.Requests(sent, failed, mixed),
                verified);
    }

    @Test
    void itsJsonHasTheDocumentedFieldsInTheirOrder() throws JsonProcessingException {
        assertThat(new ObjectMapper().writeValueAsString(report(10, 0, 0, true)))
                .isEqualTo("{\"scenario\":\"update\",\"engine\":\"reference\",\"mode\":\"in-place\",\"workers\":2,"
                        + "\"exchange\":\"transfers\",\"bytes\":1000,\"tensors\":3,\"seconds\":0.5,\"deliveredGBps\":4.0,\"ceilingGBps\":20.0,"
                        + "\"ratio\":0.2,\"stallMs\":12.5,\"requests\":{\"sent\":10,\"failed\":0,\"mixed\":0},"
                        + "\"verified\":true}");
    }

    @Test
    void itPassesOnlyVerifiedAndWithoutABadAnswer() {
        assertThat(report(10, 0, 0, true).passed()).isTrue();
        assertThat(report(10, 0, 0, false).passed()).isFalse();
        assertThat(report(10, 1, 0, true).passed()).isFalse();
        assertThat(report(10, 0, 1, true).passed()).isFalse();
        assertThat(report(0, 0, 0, true).passed()).isFalse();
    }
}
