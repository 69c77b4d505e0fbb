package dev.inflight.cli.demo;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class InstallationTest {
    @Test
    void itsFlagsAreThoseOfTheBuildAndOfTheLauncher() throws IOException {
        String build = Files.readString(Path.of("..", "pom.xml"));
        String launcher = Files.readString(Path.of("..", "inflight"));

        assertThat(build)
                .contains("<inflight.jvm.args>" + String.join(" ", Installation.JVM_FLAGS) + "</inflight.jvm.args>");
        assertThat(launcher).contains(String.join("\n  ", Installation.JVM_FLAGS));
    }

    @Test
    void aJvmGetsTheFlagsTheClassPathAndTheMainClass() {
        Installation installation = new Installation(Path.of("/jdk/bin/java"), "a.jar:b.jar", Optional.empty());

        List<String> command = installation.jvm(List.of("-Xmx1g"), "Main");

        assertThat(command)
                .startsWith("/jdk/bin/java")
                .containsAll(Installation.JVM_FLAGS)
                .endsWith("-Xmx1g", "-cp", "a.jar:b.jar", "Main");
    }
}
