package dev.inflight.cli.gpu;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class VisibleGpusTest {
    @TempDir
    private Path dir;

    @Test
    void theDriversVersionIsReadFromEitherKindOfKernelModule() throws IOException {
        assertThat(VisibleGpus.kernelModule(
                        file("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.161.08  Sat Feb")))
                .contains("535.161.08");
        assertThat(VisibleGpus.kernelModule(
                        file("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build")))
                .contains("580.95.05");
        assertThat(VisibleGpus.kernelModule(dir.resolve("missing"))).isEmpty();
    }

    private Path file(String text) throws IOException {
        return Files.writeString(dir.resolve("version"), text);
    }
}
