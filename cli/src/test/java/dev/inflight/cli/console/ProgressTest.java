package dev.inflight.cli.console;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import org.junit.jupiter.api.Test;

class ProgressTest {
    @Test
    void awayFromATerminalEveryStepIsOneLineHoweverOftenItAdvances() {
        StringWriter err = new StringWriter();
        try (Progress progress = new Progress(new PrintWriter(err), false)) {
            progress.step("publishing v1");
            progress.advance("updating", 1, 10);
            progress.advance("updating", 10, 10);
        }

        assertThat(err.toString().lines()).containsExactly("publishing v1", "updating");
    }
}
