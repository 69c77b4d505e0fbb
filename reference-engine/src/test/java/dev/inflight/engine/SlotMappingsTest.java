package dev.inflight.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.inflight.protocol.link.SlotMemory;
import dev.inflight.protocol.link.SlotRef;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class SlotMappingsTest {
    private final List<Path> files = new ArrayList<>();
    private final SlotMappings mappings = new SlotMappings();

    @AfterEach
    void removeFiles() throws IOException {
        mappings.close();
        for (Path file : files) {
            Files.deleteIfExists(file);
        }
    }

    private Path file(int content) throws IOException {
        Path file = Files.createTempFile(Path.of("/dev/shm"), "inflight-test-", ".slot");
        files.add(file);
        Files.write(file, new byte[] {(byte) content, 0});
        return file;
    }

    private MemorySegment mapped(Path file) throws Refusal {
        return mappings.map(List.of(new SlotRef(7, SlotMemory.shm(file.toString(), 0, 2))))
                .get(7);
    }

    private static byte first(MemorySegment slot) {
        return slot.get(ValueLayout.JAVA_BYTE, 0);
    }

    @Test
    void theNextUpdateReadsThroughTheSameMapping() throws Exception {
        Path file = file(1);
        MemorySegment slot = mapped(file);
        assertThat(mapped(file)).isEqualTo(slot);
    }

    @Test
    void aMappingOutlivesOneUpdateThatDoesNotNeedItAndNotTwo() throws Exception {
        Path file = file(1);
        MemorySegment slot = mapped(file);
        mapped(file(2));
        assertThat(first(slot)).isEqualTo((byte) 1);
        mapped(file(3));
        assertThat(slot.scope().isAlive()).isFalse();
    }

    @Test
    void anotherFileOfTheSameNameIsMappedAnew() throws Exception {
        Path file = file(1);
        assertThat(first(mapped(file))).isEqualTo((byte) 1);
        Files.move(file(2), file, java.nio.file.StandardCopyOption.REPLACE_EXISTING);
        assertThat(first(mapped(file))).isEqualTo((byte) 2);
    }

    @Test
    void oneBadSlotRefusesAllAndKeepsWhatWasMapped() throws Exception {
        Path file = file(1);
        MemorySegment slot = mapped(file);
        SlotRef good = new SlotRef(0, SlotMemory.shm(file.toString(), 0, 2));
        assertThatThrownBy(() -> mappings.map(List.of(good, new SlotRef(0, good.memory()))))
                .hasMessageContaining("slot id 0 is listed twice");
        assertThatThrownBy(() -> mappings.map(List.of(good, new SlotRef(1, SlotMemory.shm(file.toString(), 1, 2)))))
                .hasMessageContaining("do not lie within");
        assertThat(mapped(file)).isEqualTo(slot);
    }

    @Test
    void closingUnmapsEverything() throws Exception {
        MemorySegment slot = mapped(file(1));
        mappings.close();
        assertThat(slot.scope().isAlive()).isFalse();
    }
}
