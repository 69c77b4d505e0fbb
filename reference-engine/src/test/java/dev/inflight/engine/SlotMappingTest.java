package dev.inflight.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.inflight.protocol.link.SlotMemory;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class SlotMappingTest {
    private static final long THREE_GIB = 3L << 30;

    private Path file;

    /** Sparse: it takes a page of memory, not its size. */
    @BeforeEach
    void makeLargeFile() throws IOException {
        file = Files.createTempFile(Path.of("/dev/shm"), "inflight-test-", ".slot");
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.wrap(new byte[] {42}), THREE_GIB - 1);
        }
    }

    @AfterEach
    void removeFile() throws IOException {
        Files.deleteIfExists(file);
    }

    private SlotMapping.Source source(long offset, long bytes) throws Refusal {
        return SlotMapping.source(SlotMemory.shm(file.toString(), offset, bytes));
    }

    @Test
    void aSlotMayBeLargerThan2GiBAndBeginAnywhere() throws Refusal {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment whole = SlotMapping.readOnly(source(0, THREE_GIB), arena);
            assertThat(whole.get(ValueLayout.JAVA_BYTE, THREE_GIB - 1)).isEqualTo((byte) 42);
            MemorySegment last = SlotMapping.readOnly(source(THREE_GIB - 1, 1), arena);
            assertThat(last.get(ValueLayout.JAVA_BYTE, 0)).isEqualTo((byte) 42);
            assertThat(last.isReadOnly()).isTrue();
        }
    }

    @Test
    void aSlotPastTheEndIsRefusedAndDoesNotGrowTheFile() throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            SlotMemory slot = SlotMemory.shm(file.toString(), 1, THREE_GIB);
            assertThatThrownBy(() -> SlotMapping.writable(slot, arena))
                    .hasMessageContaining("3221225472 bytes from 1 do not lie within the file's 3221225472 bytes");
        }
        assertThat(Files.size(file)).isEqualTo(THREE_GIB);
    }

    @Test
    void aLinkOutOfSharedMemoryIsRefused() throws IOException {
        Path link = file.resolveSibling(file.getFileName() + ".link");
        Files.createSymbolicLink(link, Path.of("/etc/hostname"));
        try {
            SlotMemory slot = SlotMemory.shm(link.toString(), 0, 1);
            assertThatThrownBy(() -> SlotMapping.source(slot))
                    .hasMessageContaining("is no regular file under /dev/shm");
        } finally {
            Files.delete(link);
        }
    }
}
