package dev.inflight.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.inflight.protocol.cluster.LoadMode;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class ReferenceEngineTest {
    @Test
    void flagsHaveDefaults() throws Exception {
        EngineFlags flags = EngineFlags.parse("--link", "/tmp/w.sock", "--id", "e", "--model", "m");
        assertThat(flags.modes()).containsExactly(LoadMode.IN_PLACE, LoadMode.SHADOW);
        assertThat(flags.pauseTimeoutMs()).isEqualTo(60_000);
        assertThat(flags.drainTimeoutMs()).isEqualTo(30_000);
        assertThat(flags.httpPort()).isZero();
    }

    @Test
    void theSwitchTakesNoValue() throws Exception {
        assertThat(EngineFlags.parse("--link", "s", "--reserve-shadow", "--id", "e", "--model", "m")
                        .reserveShadow())
                .isTrue();
        assertThat(EngineFlags.parse("--link", "s", "--id", "e", "--model", "m").reserveShadow())
                .isFalse();
    }

    @Test
    void memoryToWarmIsANumberOfBytes() throws Exception {
        assertThat(EngineFlags.parse("--link", "s", "--id", "e", "--model", "m", "--warm", "5000000000")
                        .warmBytes())
                .isEqualTo(5_000_000_000L);
        assertThat(EngineFlags.parse("--link", "s", "--id", "e", "--model", "m").warmBytes())
                .isZero();
    }

    @Test
    void flagsThatMakeNoSenseAreNamed() {
        assertThatThrownBy(() -> EngineFlags.parse("--gpu", "1")).hasMessageStartingWith("unknown flag --gpu; usage:");
        assertThatThrownBy(() -> EngineFlags.parse("--link")).hasMessage("--link needs a value");
        assertThatThrownBy(() -> EngineFlags.parse("--link", "s", "--id", "e"))
                .hasMessageStartingWith("--model is missing");
        assertThatThrownBy(() -> EngineFlags.parse("--link", "s", "--id", "e", "--model", "m", "--http-port", "65536"))
                .hasMessage("--http-port: \"65536\" is no number from 0 to 65535");
        assertThatThrownBy(() -> EngineFlags.parse("--link", "s", "--id", "e", "--model", "m", "--modes", "fast"))
                .hasMessage("--modes: \"fast\" is no load mode; give in-place, shadow or both");
    }

    @Test
    void anUnknownFlagEndsTheProcessWithOneLineAndCode2(@TempDir Path directory) throws Exception {
        Path log = directory.resolve("log");
        try (EngineProcess engine = EngineProcess.start(log, List.of("--frobnicate", "1"))) {
            assertThat(engine.exitCode()).isEqualTo(2);
        }
        assertThat(EngineProcess.read(log).lines()).singleElement().asString().contains("unknown flag --frobnicate");
    }

    @Test
    void theEngineExitsWhenItsParentIsGone(@TempDir Path directory) throws Exception {
        Process parent = new ProcessBuilder("true").start();
        parent.waitFor();
        List<String> flags = List.of(
                "--link",
                directory.resolve("w.sock").toString(),
                "--id",
                "e",
                "--model",
                "m",
                "--exit-with-parent",
                Long.toString(parent.pid()));
        try (EngineProcess engine = EngineProcess.start(directory.resolve("log"), flags)) {
            assertThat(engine.exitCode()).isZero();
        }
    }
}
