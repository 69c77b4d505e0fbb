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

    /** {@code hg} among the flags of a mapping; whether the file system then has huge pages is the machine's matter. */
    @Test
    void hugePagesAreAskedFor() throws IOException {
        assumeTrue(
                Files.exists(Path.of("/sys/kernel/mm/transparent_hugepage")),
                "SKIPPED: this kernel has no huge pages to ask for");
        try (var memory = SharedMemory.create(directory.resolve("memory"), 5 * MIB, Pinning.NONE)) {
            var lines = Files.readAllLines(Path.of("/proc/self/smaps"));
            var flags = lines.stream()
                    .dropWhile(line -> !line.endsWith(memory.path().toString()))
                    .filter(line -> line.startsWith("VmFlags:"))
                    .findFirst();
            assertThat(flags.orElseThrow().split(" ")).contains("hg");
        }
    }
}
