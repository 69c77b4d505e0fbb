package dev.inflight.worker.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.inflight.protocol.checkpoint.CheckpointException;
import dev.inflight.protocol.checkpoint.SourceFile;
import dev.inflight.protocol.checkpoint.TensorSpec;
import dev.inflight.protocol.plan.Slice;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CheckpointFilesTest {
    private static final long THREE_GIB = 3L << 30;

    @TempDir
    Path directory;

    @Test
    void opensASingleFile() throws IOException {
        Path file = TestCheckpoints.file(directory.resolve("weights.safetensors"), "a", 3, 0, 5);

        try (CheckpointFiles files = CheckpointFiles.open(file)) {
            assertThat(files.root()).isEqualTo(directory);
            assertThat(files.layout().files()).containsExactly(new SourceFile("weights.safetensors", Files.size(file)));
            assertThat(files.layout().tensors()).extracting(TensorSpec::name).containsExactly("a0", "a1", "a2");
        }
    }

    @Test
    void opensADirectoryWithAllItsFilesByName() throws IOException {
        TestCheckpoints.file(directory.resolve("2.safetensors"), "b", 1);
        TestCheckpoints.file(directory.resolve("1.safetensors"), "a", 1);
        Files.writeString(directory.resolve("config.json"), "{}");

        try (CheckpointFiles files = CheckpointFiles.open(directory)) {
            assertThat(files.layout().files())
                    .extracting(SourceFile::name)
                    .containsExactly("1.safetensors", "2.safetensors");
            assertThat(files.layout().tensors()).extracting(TensorSpec::file).containsExactly(0, 1);
        }
    }

    @Test
    void opensWhatAnIndexNamesAndNothingElse() throws IOException {
        Files.createDirectory(directory.resolve("part"));
        TestCheckpoints.file(directory.resolve("part/1.safetensors"), "a", 1);
        TestCheckpoints.file(directory.resolve("2.safetensors"), "b", 1);
        TestCheckpoints.file(directory.resolve("consolidated.safetensors"), "a", 1);
        Path index = TestCheckpoints.index(directory, "\"a0\":\"part/1.safetensors\",\"b0\":\"2.safetensors\"");

        for (Path source : List.of(directory, index)) {
            try (CheckpointFiles files = CheckpointFiles.open(source)) {
                assertThat(files.layout().files())
                        .extracting(SourceFile::name)
                        .containsExactly("2.safetensors", "part/1.safetensors");
            }
        }
    }

    @Test
    void refusesAnIndexThatDisagreesWithItsFiles() throws IOException {
        TestCheckpoints.file(directory.resolve("1.safetensors"), "a", 1, 1);
        TestCheckpoints.index(directory, "\"a0\":\"1.safetensors\"");

        refuses(directory, "model.safetensors.index.json: tensor \"a1\" is in 1.safetensors but not in the index");
    }

    @Test
    void refusesAnIndexThatNamesAMissingFile() throws IOException {
        TestCheckpoints.index(directory, "\"a0\":\"model-00001.safetensors\"");

        refuses(directory, "model.safetensors.index.json: names \"model-00001.safetensors\", which does not exist");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "/etc/passwd",
                "../out.safetensors",
                "x/../../out.safetensors",
                "./1.safetensors",
                "",
                "..",
                "a\\u0000b"
            })
    void refusesAnIndexThatNamesAPathOutside(String entry) throws IOException {
        TestCheckpoints.index(directory, "\"a0\":\"" + entry + "\"");

        refuses(directory, "model.safetensors.index.json: names \"" + entry + "\"");
    }

    @Test
    void followsLinksInADirectoryAsAHuggingFaceCacheHasThem() throws IOException {
        Path checkpoint = Files.createDirectory(directory.resolve("checkpoint"));
        Path blob = TestCheckpoints.file(directory.resolve("blob"), "a", 1);
        Files.createSymbolicLink(checkpoint.resolve("1.safetensors"), blob);
        TestCheckpoints.index(checkpoint, "\"a0\":\"1.safetensors\"");

        try (CheckpointFiles files = CheckpointFiles.open(checkpoint)) {
            assertThat(files.layout().tensors()).hasSize(1);
        }
    }

    @Test
    void tellsAMissingSourceFromABadOne() throws IOException {
        Path missing = directory.resolve("missing");

        assertThatExceptionOfType(CheckpointNotFoundException.class)
                .isThrownBy(() -> CheckpointFiles.open(missing))
                .withMessageStartingWith(missing + ": ");
        refuses(directory, directory + ": holds no .safetensors file and no model.safetensors.index.json");
        refuses(Files.write(directory.resolve("x.safetensors"), new byte[5]), "x.safetensors: has 5 bytes");
        Files.createDirectory(directory.resolve("y.safetensors"));
        Files.delete(directory.resolve("x.safetensors"));
        refuses(directory, "y.safetensors: is not a regular file");
    }

    @Test
    void refusesATensorInTwoFiles() throws IOException {
        TestCheckpoints.file(directory.resolve("1.safetensors"), "a", 1);
        TestCheckpoints.file(directory.resolve("2.safetensors"), "a", 1);

        refuses(directory, "2.safetensors: tensor \"a0\" is also in 1.safetensors");
    }

    @Test
    void refusesATruncatedFileNamingTheTensor() throws IOException {
        Path file = TestCheckpoints.file(directory.resolve("m.safetensors"), "a", 100, 50);
        truncate(file, Files.size(file) - 51);

        refuses(file, "m.safetensors: tensor \"a0\" ends at byte 356 but the file has 355");
    }

    @Test
    void readsSlicesWhereAskedTo() throws IOException {
        Path file = TestCheckpoints.file(directory.resolve("m.safetensors"), "a", 10, 20);
        byte[] bytes = Files.readAllBytes(file);

        try (CheckpointFiles files = CheckpointFiles.open(file);
                Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocate(8);
            files.read(new Slice(1, 5, 9), memory, 3);

            int from = (int) files.layout().tensors().get(1).begin() + 5;
            assertThat(memory.asSlice(3, 4).toArray(ValueLayout.JAVA_BYTE))
                    .isEqualTo(Arrays.copyOfRange(bytes, from, from + 4));
            assertThat(memory.asSlice(0, 3).toArray(ValueLayout.JAVA_BYTE)).containsOnly(0);
            assertThatIllegalArgumentException().isThrownBy(() -> files.read(new Slice(1, 5, 21), memory, 0));
        }
    }

    @Test
    void readsAndMapsBeyondTwoGibibytes() throws IOException {
        Path file = TestCheckpoints.sparse(directory.resolve("big.safetensors"), THREE_GIB);

        try (CheckpointFiles files = CheckpointFiles.open(file);
                Arena arena = Arena.ofConfined()) {
            assertThat(files.layout().largestTensorBytes()).isEqualTo(THREE_GIB);
            MemorySegment memory = arena.allocate(8);
            files.read(new Slice(1, 0, 4), memory, 0);
            files.read(new Slice(0, THREE_GIB - 4, THREE_GIB), memory, 4);

            assertThat(memory.toArray(ValueLayout.JAVA_BYTE)).containsExactly(1, 2, 3, 4, 0, 0, 0, 0);
            assertThat(files.map(0)
                            .get(
                                    ValueLayout.JAVA_BYTE,
                                    files.layout().tensors().get(1).begin() + 3))
                    .isEqualTo((byte) 4);
        }
    }

    @Test
    void reportsAFileThatBecameShorter() throws IOException {
        Path file = TestCheckpoints.file(directory.resolve("m.safetensors"), "a", 100);

        try (CheckpointFiles files = CheckpointFiles.open(file);
                Arena arena = Arena.ofConfined()) {
            truncate(file, Files.size(file) - 1);

            assertThatExceptionOfType(CheckpointException.class)
                    .isThrownBy(() -> files.read(new Slice(0, 0, 100), arena.allocate(100), 0))
                    .withMessageStartingWith("m.safetensors: can not be read")
                    .withMessageContaining("it changed since it was opened");
            assertThatExceptionOfType(CheckpointException.class)
                    .isThrownBy(() -> files.map(0))
                    .withMessageContaining("became shorter");
        }
    }

    @Test
    @EnabledIf("hasSharedMemory")
    void takesFilesInSharedMemoryInPlace() throws IOException {
        Path shared = Files.createTempDirectory(Path.of("/dev/shm"), "inflight-test-");
        Path file = shared.resolve("m.safetensors");
        Path link = directory.resolve("link.safetensors");
        try {
            TestCheckpoints.file(file, "a", 10);
            Files.createSymbolicLink(link, file);
            assertThat(inPlace(shared)).isTrue();
            assertThat(inPlace(link)).isTrue();
            Files.delete(link);
            assertThat(inPlace(TestCheckpoints.file(link, "a", 10))).isFalse();
        } finally {
            Files.deleteIfExists(file);
            Files.delete(shared);
        }
    }

    static boolean hasSharedMemory() throws IOException {
        Path shm = Path.of("/dev/shm");
        return Files.isWritable(shm) && Files.getFileStore(shm).type().equals("tmpfs");
    }

    private static boolean inPlace(Path source) {
        try (CheckpointFiles files = CheckpointFiles.open(source)) {
            return files.inPlace();
        }
    }

    private static void truncate(Path file, long bytes) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.truncate(bytes);
        }
    }

    private static void refuses(Path source, String message) {
        assertThatExceptionOfType(CheckpointException.class)
                .isThrownBy(() -> CheckpointFiles.open(source))
                .isNotInstanceOf(CheckpointNotFoundException.class)
                .withMessageStartingWith(message);
    }
}
