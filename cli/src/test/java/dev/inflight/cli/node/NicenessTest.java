package dev.inflight.cli.node;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class NicenessTest {
    private Process process;

    @BeforeEach
    void start() throws IOException {
        process = new ProcessBuilder("sleep", "60").start();
    }

    @AfterEach
    void stop() {
        process.destroyForcibly();
    }

    @Test
    void isRaisedAndNeverLowered() throws IOException {
        Niceness.raise(process.pid(), 18);
        assertThat(niceness()).isEqualTo(18);
        Niceness.raise(process.pid(), 17);
        assertThat(niceness()).isEqualTo(18);
    }

    @Test
    void aProcessThatIsGoneIsNoError() {
        process.destroyForcibly();
        process.onExit().join();
        Niceness.raise(process.pid(), 7);
    }

    private int niceness() throws IOException {
        String stat = Files.readString(Path.of("/proc", String.valueOf(process.pid()), "stat"));
        return Integer.parseInt(stat.replaceAll(".*\\) ", "").split(" ")[16]);
    }
}
