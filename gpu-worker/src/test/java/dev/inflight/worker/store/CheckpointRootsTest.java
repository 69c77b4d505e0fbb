package dev.inflight.worker.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.inflight.protocol.checkpoint.CheckpointException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CheckpointRootsTest {
    @TempDir
    private Path directory;

    private Path root;
    private Path outside;
    private CheckpointRoots roots;

    @BeforeEach
    void make() throws IOException {
        root = Files.createDirectory(directory.resolve("root"));
        outside = TestCheckpoints.file(directory.resolve("outside.safetensors"), "a", 1);
        roots = new CheckpointRoots(List.of(root));
    }

    @Test
    void opensWhatLiesInARootAndWhatLinksInItLeadTo() throws IOException {
        Path file = TestCheckpoints.file(root.resolve("1.safetensors"), "a", 1);
        Path link = Files.createSymbolicLink(root.resolve("link.safetensors"), file);
        for (Path source : List.of(file, link, root.resolve("../root/1.safetensors"))) {
            try (CheckpointFiles files = CheckpointFiles.open(source, roots)) {
                assertThat(files.layout().tensors()).hasSize(1);
            }
        }
    }

    @Test
    void aRootMayItselfBeALink() throws IOException {
        Path file = TestCheckpoints.file(root.resolve("1.safetensors"), "a", 1);
        Path link = Files.createSymbolicLink(directory.resolve("data"), root);
        for (Path source : List.of(file, link.resolve("1.safetensors"))) {
            CheckpointFiles.open(source, new CheckpointRoots(List.of(link))).close();
        }
    }

    @Test
    void refusesASourceOutsideByFieldAndPathWhateverWayLeadsThere() throws IOException {
        Path link = Files.createSymbolicLink(root.resolve("link.safetensors"), outside);
        Path directoryLink = Files.createSymbolicLink(root.resolve("up"), directory);
        for (Path source : List.of(
                outside,
                link,
                directoryLink,
                directoryLink.resolve("outside.safetensors"),
                root.resolve("../outside.safetensors"),
                directory)) {
            refuses(source, "source: " + source + " is outside of what this host reads");
        }
    }

    @Test
    void doesNotTellWhatExistsOutside() {
        Path missing = directory.resolve("missing.safetensors");
        refuses(missing, "source: " + missing + " is outside of what this host reads");
        assertThatExceptionOfType(CheckpointNotFoundException.class)
                .isThrownBy(() -> CheckpointFiles.open(root.resolve("missing"), roots));
    }

    @Test
    void aNeighbourWhoseNameBeginsLikeARootIsOutside() throws IOException {
        Path neighbour = Files.createDirectory(directory.resolve("root-2"));
        refuses(TestCheckpoints.file(neighbour.resolve("1.safetensors"), "a", 1), "source: ");
    }

    @Test
    void refusesFilesThatADirectoryOrIndexLeadsOutTo() throws IOException {
        Path listed = Files.createDirectory(root.resolve("listed"));
        Files.createSymbolicLink(listed.resolve("1.safetensors"), outside);
        refuses(listed, "1.safetensors: " + listed.resolve("1.safetensors") + " is outside");

        Path indexed = Files.createDirectory(root.resolve("indexed"));
        Files.createSymbolicLink(indexed.resolve("part.bin"), outside);
        TestCheckpoints.index(indexed, "\"a0\":\"part.bin\"");
        refuses(indexed, "part.bin: " + indexed.resolve("part.bin") + " is outside");

        Path index = TestCheckpoints.index(Files.createDirectory(directory.resolve("elsewhere")), "\"a0\":\"x\"");
        Path linked = Files.createDirectory(root.resolve("linked"));
        Files.createSymbolicLink(linked.resolve("model.safetensors.index.json"), index);
        refuses(linked, "model.safetensors.index.json: " + linked.resolve("model.safetensors.index.json"));
    }

    @Test
    void refusesPipesWithoutWaitingForTheirWriter() throws Exception {
        Path pipe = root.resolve("pipe.safetensors");
        assertThat(new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor())
                .isZero();
        refuses(pipe, pipe + ": is neither a regular file nor a directory");
        refuses(root, "pipe.safetensors: is not a regular file");
        Files.move(pipe, root.resolve("model.safetensors.index.json"));
        refuses(root, "model.safetensors.index.json: is not a regular file");
    }

    @ParameterizedTest
    @ValueSource(strings = {"/dev/zero", "/proc/self/environ", "/proc/self/mem", "/sys/kernel/notes"})
    void neverReadsWhatTheKernelMakesUp(String path) {
        assertThatExceptionOfType(CheckpointException.class)
                .isThrownBy(() -> CheckpointFiles.open(Path.of(path), CheckpointRoots.ANYWHERE))
                .withMessageStartingWith("source: " + path + " is outside");
    }

    @Test
    void rootsAreAbsolute() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new CheckpointRoots(List.of(Path.of("data"))))
                .withMessageContaining("\"data\" is no absolute path");
    }

    private void refuses(Path source, String message) {
        assertThatExceptionOfType(CheckpointException.class)
                .isThrownBy(() -> CheckpointFiles.open(source, roots))
                .withMessageStartingWith(message);
    }
}
