package dev.inflight.worker.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SharedMemoryTest {
    private static final long MIB = 1 << 20;

    @TempDir
    Path directory;

    @Test
    void memoryThatIsTouchedPartByPartKeepsWhatWasWritten() {
        try (var memory = SharedMemory.createUntouched(directory.resolve("memory"), 10 * MIB, 10 * MIB)) {
            assertThat(memory.isTouched()).isFalse();
            memory.touch(MIB, MIB);
            memory.segment().set(ValueLayout.JAVA_BYTE, MIB, (byte) 7);
            memory.touch(3 * MIB, 2 * MIB);
            assertThat(memory.isTouched()).isFalse();
            memory.touch(0, 10 * MIB);

            assertThat(memory.isTouched()).isTrue();
            assertThat(memory.segment().get(ValueLayout.JAVA_BYTE, MIB)).isEqualTo((byte) 7);
        }
        assertThat(directory).isEmptyDirectory();
    }

    @Test
    void memoryIsTouchedAllAtOnceUnlessAskedOtherwise() {
        try (var memory = SharedMemory.create(directory.resolve("memory"), 5 * MIB, Pinning.NONE)) {
            assertThat(memory.isTouched()).isTrue();
        }
    }

    /** Needs root, to mount a file system, and a kernel with huge pages. */
    @Test
    void memoryIsInHugePagesWhereTheFileSystemHasSome() throws Exception {
        assumeTrue(
                run("mount", "-t", "tmpfs", "-o", "huge=advise,size=32m", "inflight-test", directory.toString()) == 0,
                "SKIPPED: a tmpfs with huge pages can not be mounted here");
        try (var memory = SharedMemory.create(directory.resolve("memory"), 8 * MIB, Pinning.NONE)) {
            // Not all of them, if the memory of the machine is in pieces.
            assertThat(bytesInHugePages(memory.path())).isPositive();
        } finally {
            assertThat(run("umount", directory.toString())).isZero();
        }
    }

    private static int run(String... command) throws IOException, InterruptedException {
        return new ProcessBuilder(command).inheritIO().start().waitFor();
    }

    private static long bytesInHugePages(Path mapped) throws IOException {
        var lines = Files.readAllLines(Path.of("/proc/self/smaps"));
        var ofFile = lines.stream()
                .dropWhile(line -> !line.endsWith(mapped.toString()))
                .filter(line -> line.startsWith("ShmemPmdMapped:"))
                .findFirst();
        return Long.parseLong(ofFile.orElseThrow().replaceAll("\\D", "")) << 10;
    }
}
