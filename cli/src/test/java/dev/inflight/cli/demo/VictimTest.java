package dev.inflight.cli.demo;

import static org.assertj.core.api.Assertions.assertThat;

import dev.inflight.protocol.checkpoint.Dtype;
import dev.inflight.protocol.checkpoint.SafetensorsWriter;
import dev.inflight.worker.store.CheckpointFiles;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class VictimTest {
    private static final int BLOCK = 1 << 20;

    @TempDir
    private Path directory;

    private final byte[] weights = new byte[2 * BLOCK + 100_000];

    @Test
    void findsABlockInAFileFlipsOneBitOfItAndFlipsItBack() throws Exception {
        try (CheckpointFiles files = checkpoint()) {
            byte[] bytes = new byte[3 * BLOCK];
            // Without its first block.
            System.arraycopy(weights, BLOCK, bytes, 4096, BLOCK + 100_000);
            Path place = Files.write(directory.resolve("place"), bytes);

            Victim victim = Victim.find(files, place, Victim.all(place)).getFirst();

            assertThat(victim.tensor().name()).isEqualTo("weight");
            assertThat(victim.fileName()).isEqualTo("model.safetensors");
            assertThat(victim.begin()).isEqualTo(BLOCK);
            assertThat(victim.at()).isEqualTo(4096);
            victim.flip();
            assertThat(differing(bytes, Files.readAllBytes(place))).isOne();
            victim.flip();
            assertThat(place).hasBinaryContent(bytes);
            byte[] file = Files.readAllBytes(directory.resolve("model.safetensors"));
            victim.inItsFile(files).flip();
            assertThat(differing(file, Files.readAllBytes(directory.resolve("model.safetensors"))))
                    .isOne();
        }
    }

    @Test
    void findsNothingWhereNothingIs() throws Exception {
        try (CheckpointFiles files = checkpoint()) {
            Path place = Files.write(directory.resolve("place"), new byte[2 * BLOCK]);

            assertThat(Victim.find(files, place, Victim.all(place))).isEmpty();
        }
    }

    @Test
    void reachesIntoTheMemoryOfAProcess() throws Exception {
        long pid = ProcessHandle.current().pid();
        try (CheckpointFiles files = checkpoint();
                Arena arena = Arena.ofConfined()) {
            MemorySegment live = arena.allocate(weights.length, 64).copyFrom(MemorySegment.ofArray(weights));

            Victim.find(files, Victim.memory(pid), Victim.privateMemory(pid)).stream()
                    .filter(found -> found.at() == live.address())
                    .findFirst()
                    .orElseThrow()
                    .flip();

            assertThat(live.mismatch(MemorySegment.ofArray(weights))).isBetween(0L, 4096L);
        }
    }

    private CheckpointFiles checkpoint() throws Exception {
        new Random(1).nextBytes(weights);
        Path file = directory.resolve("model.safetensors");
        SafetensorsWriter.write(
                file,
                Map.of(),
                List.of(SafetensorsWriter.Tensor.of("weight", Dtype.U8, List.of((long) weights.length), weights)));
        return CheckpointFiles.open(file);
    }

    private static int differing(byte[] one, byte[] other) {
        assertThat(other).hasSameSizeAs(one);
        int differing = 0;
        for (int i = 0; i < one.length; i++) {
            differing += Integer.bitCount((one[i] ^ other[i]) & 0xff);
        }
        return differing;
    }
}
