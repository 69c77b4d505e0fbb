package dev.inflight.tests.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.inflight.tests.fleet.TestCheckpoint;
import java.io.RandomAccessFile;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What goes wrong is told in one line that names it, with the exit code that {@code --help} promises. */
class BadInputIT {
    private static final int FAILED = 1;
    private static final int USAGE = 2;
    private static final int UNREACHABLE = 3;
    private static final int REFUSED = 4;

    @TempDir
    private static Path directory;

    private static Nodes nodes;

    @BeforeAll
    static void start() throws Exception {
        nodes = Nodes.start(directory, 1);
    }

    @AfterAll
    static void stop() throws Exception {
        nodes.close();
    }

    @Test
    void anUnknownModelIsRefused() throws Exception {
        try (Launched update = nodes.command("update", "--model", "unheard-of", "--version", "v9", "--json")) {
            assertThat(update.exitCode()).as(update.err()).isEqualTo(REFUSED);
            assertThat(update.err().lines()).singleElement().asString().contains("unheard-of", "v9");
            assertThat(update.json().path("error").asText()).contains("unheard-of");
        }
    }

    @Test
    void aCheckpointThatIsNotThereIsNamed() throws Exception {
        Path missing = directory.resolve("missing.safetensors");
        try (Launched publish = publish(missing)) {
            assertThat(publish.exitCode()).as(publish.err()).isEqualTo(REFUSED);
            assertThat(publish.err().lines()).singleElement().asString().contains(missing.toString());
        }
    }

    @Test
    void aTruncatedCheckpointIsNamedWithItsTensor() throws Exception {
        Path truncated = directory.resolve("truncated.safetensors");
        TestCheckpoint.write(truncated, 1).close();
        try (RandomAccessFile file = new RandomAccessFile(truncated.toFile(), "rw")) {
            file.setLength(file.length() - 1000);
        }
        try (Launched publish = publish(truncated)) {
            assertThat(publish.exitCode()).as(publish.err()).isEqualTo(REFUSED);
            assertThat(publish.err().lines()).singleElement().asString().contains("truncated.safetensors", "embedding");
        }
    }

    @Test
    void aDemoOfATruncatedCheckpointStartsNothing() throws Exception {
        Path truncated = directory.resolve("short.safetensors");
        TestCheckpoint.write(truncated, 1).close();
        try (RandomAccessFile file = new RandomAccessFile(truncated.toFile(), "rw")) {
            file.setLength(file.length() / 2);
        }
        try (Launched demo = Launched.run("demo", "--checkpoint", truncated.toString())) {
            assertThat(demo.exitCode()).as(demo.err()).isEqualTo(FAILED);
            assertThat(demo.err().lines()).singleElement().asString().contains("short.safetensors");
            assertThat(demo.processes().runs()).isEmpty();
        }
    }

    @Test
    void aWrongOptionIsNamed() throws Exception {
        try (Launched demo = Launched.run("demo", "--mode", "sideways")) {
            assertThat(demo.exitCode()).isEqualTo(USAGE);
            assertThat(demo.err().lines()).singleElement().asString().contains("--mode sideways", "--help");
        }
    }

    @Test
    void aCoordinatorThatIsNotThereIsNamed() throws Exception {
        try (Launched status = Launched.run("status", "--coordinator", "http://127.0.0.1:1")) {
            assertThat(status.exitCode()).isEqualTo(UNREACHABLE);
            assertThat(status.err().lines()).singleElement().asString().contains("http://127.0.0.1:1");
        }
    }

    private static Launched publish(Path source) throws Exception {
        return nodes.command("publish", "--model", "m", "--version", "v1", source.toString());
    }
}
