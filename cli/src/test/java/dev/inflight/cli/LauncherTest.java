package dev.inflight.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The launcher script in a checkout of its own, with a JDK and a Maven that only tell how they were called. */
class LauncherTest {
    private static final Path LAUNCHER =
            Path.of("..", "inflight").toAbsolutePath().normalize();

    @TempDir
    private Path directory;

    private Path checkout;
    private Path jdk;
    private Path tools;

    @BeforeEach
    void layOut() throws IOException {
        checkout = Files.createDirectories(directory.resolve("check out"));
        Files.copy(LAUNCHER, checkout.resolve("inflight"));
        Files.createDirectories(checkout.resolve("cli/src/main"));
        Files.writeString(checkout.resolve("pom.xml"), "<project/>");
        jdk = directory.resolve("jdk");
        program(jdk.resolve("bin/java"), "printf 'java %s\\n' \"$@\"; echo \"in $PWD\"");
        program(jdk.resolve("bin/javac"), "exit 1");
        release("25.0.1");
        tools = directory.resolve("tools");
        program(tools.resolve("mvn"), "echo \"mvn $* with $JAVA_HOME\"; mkdir -p cli/target/lib");
    }

    @Test
    void buildsOnFirstUseOnlyAndSaysSoOnStandardError() throws Exception {
        Run first = launch(checkout, checkout.resolve("inflight"), "status");
        Run second = launch(checkout, checkout.resolve("inflight"), "status");

        assertThat(first.exitCode()).isZero();
        assertThat(first.err()).contains("inflight: building", "-pl cli -am package with " + jdk);
        assertThat(first.out()).doesNotContain("mvn");
        assertThat(second.err()).isEmpty();
    }

    @Test
    void buildsAgainWhenASourceIsNewer() throws Exception {
        launch(checkout, checkout.resolve("inflight"), "status");
        Path source = Files.writeString(checkout.resolve("cli/src/main/New.java"), "class New {}");
        Files.setLastModifiedTime(
                source,
                FileTime.fromMillis(Files.getLastModifiedTime(checkout.resolve("cli/target/.built"))
                                .toMillis()
                        + 2_000));

        assertThat(launch(checkout, checkout.resolve("inflight"), "status").err())
                .contains("building");
    }

    @Test
    void worksFromAnyDirectoryAndThroughASymbolicLink() throws Exception {
        Path link = Files.createSymbolicLink(directory.resolve("link"), checkout.resolve("inflight"));

        Run run = launch(tools, link, "publish", "two words");

        assertThat(run.out().lines())
                .contains(
                        "java -Dinflight.home=" + checkout.toRealPath(), "java two words", "in " + tools.toRealPath());
    }

    @Test
    void servesNodesWithFullCompilationAndShortCommandsWithAFastStart() throws Exception {
        assertThat(launch(checkout, checkout.resolve("inflight"), "status").out())
                .contains("TieredStopAtLevel=1", "SharedArchiveFile");
        assertThat(launch(checkout, checkout.resolve("inflight"), "node").out())
                .doesNotContain("TieredStopAtLevel=1")
                .contains("-Xmx");
    }

    @Test
    void anOldJdkIsRefusedWithTheWayOut() throws Exception {
        release("17.0.15");

        Run run = launch(checkout, checkout.resolve("inflight"), "status");

        assertThat(run.exitCode()).isEqualTo(1);
        assertThat(run.err().lines()).singleElement().asString().contains("no JDK 25 or newer", "INFLIGHT_JAVA_HOME");
    }

    @Test
    void aFailedBuildIsAnError() throws Exception {
        program(tools.resolve("mvn"), "echo broken; exit 1");

        Run run = launch(checkout, checkout.resolve("inflight"), "status");

        assertThat(run.exitCode()).isEqualTo(1);
        assertThat(run.err()).contains("the build failed");
        assertThat(run.out()).isEmpty();
    }

    private record Run(int exitCode, String out, String err) {}

    private Run launch(Path workingDirectory, Path script, String... arguments) throws Exception {
        Path out = directory.resolve("out.txt");
        Path err = directory.resolve("err.txt");
        List<String> command = new ArrayList<>(List.of("bash", script.toString()));
        command.addAll(List.of(arguments));
        ProcessBuilder builder = new ProcessBuilder(command)
                .directory(workingDirectory.toFile())
                .redirectOutput(out.toFile())
                .redirectError(err.toFile());
        builder.environment()
                .putAll(Map.of("INFLIGHT_JAVA_HOME", jdk.toString(), "PATH", tools + ":" + System.getenv("PATH")));
        Process process = builder.start();
        assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        return new Run(process.exitValue(), Files.readString(out), Files.readString(err));
    }

    private void release(String version) throws IOException {
        Files.writeString(jdk.resolve("release"), "IMPLEMENTOR=\"X\"\nJAVA_VERSION=\"" + version + "\"\n");
    }

    private static void program(Path file, String script) throws IOException {
        Files.createDirectories(file.getParent());
        Files.writeString(file, "#!/bin/bash\n" + script + "\n");
        assertThat(file.toFile().setExecutable(true)).isTrue();
    }
}
