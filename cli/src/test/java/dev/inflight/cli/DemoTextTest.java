package dev.inflight.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.inflight.cli.demo.DemoReport.Requests;
import dev.inflight.cli.demo.JoinReport;
import java.util.List;
import org.junit.jupiter.api.Test;

class DemoTextTest {
    @Test
    void aJoinSaysWhoCastHowMuchToIt() {
        assertThat(DemoText.of(joined(3 << 20, List.of("b"))).lines())
                .anyMatch(line -> line.matches("sources +a, b; 3 MiB cast by b, 1 MiB resent"));
    }

    @Test
    void aJoinToWhichNothingWasCastSaysNothingOfIt() {
        assertThat(DemoText.of(joined(0, List.of())).lines())
                .anyMatch(line -> line.matches("sources +a, b; 1 MiB resent"));
    }

    private static JoinReport joined(long bytesCast, List<String> castSources) {
        return new JoinReport(
                "join",
                "reference",
                "shadow",
                "tcp",
                2,
                1,
                4 << 20,
                8,
                1,
                1,
                1,
                1,
                1,
                1,
                1,
                1,
                1,
                0,
                1,
                1 << 20,
                List.of("a", "b"),
                bytesCast,
                castSources,
                1,
                1,
                new Requests(1, 0, 0),
                true);
    }
}
