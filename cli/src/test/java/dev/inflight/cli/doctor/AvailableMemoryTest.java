package dev.inflight.cli.doctor;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AvailableMemoryTest {
    @TempDir
    private Path directory;

    @Test
    void isWhatTheKernelCallsAvailable() throws IOException {
        Path meminfo = Files.writeString(directory.resolve("meminfo"), "MemTotal: 9 kB\nMemAvailable:    1024 kB\n");
        Files.writeString(directory.resolve("memory.max"), "max\n");

        assertThat(AvailableMemory.bytes(meminfo, directory)).hasValue(1 << 20);
    }

    @Test
    void isNoMoreThanTheControlGroupLeaves() throws IOException {
        Path meminfo = Files.writeString(directory.resolve("meminfo"), "MemAvailable: 1024 kB\n");
        Files.writeString(directory.resolve("memory.max"), "5000\n");
        Files.writeString(directory.resolve("memory.current"), "2000\n");

        assertThat(AvailableMemory.bytes(meminfo, directory)).hasValue(3000);
    }

    @Test
    void isUnknownWhereTheSystemDoesNotTell() {
        assertThat(AvailableMemory.bytes(directory.resolve("missing"), directory))
                .isEmpty();
    }
}
