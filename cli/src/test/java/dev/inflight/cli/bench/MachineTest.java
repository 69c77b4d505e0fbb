package dev.inflight.cli.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MachineTest {
    @Test
    void theCpuIsNamedOrElseItsArchitecture(@TempDir Path directory) throws IOException {
        Path cpuinfo = directory.resolve("cpuinfo");
        Files.writeString(cpuinfo, "processor\t: 0\nmodel\t\t: 85\nmodel name\t: Some CPU @ 2.00GHz\nflags\t: fpu\n");

        assertThat(Machine.cpuModel(cpuinfo)).isEqualTo("Some CPU @ 2.00GHz");
        assertThat(Machine.cpuModel(directory.resolve("missing")))
                .isEqualTo("unnamed " + System.getProperty("os.arch"));
    }
}
