package dev.inflight.worker.store;

import static org.assertj.core.api.Assertions.assertThat;

import dev.inflight.protocol.checkpoint.BlockHasher;
import dev.inflight.protocol.plan.Part;
import dev.inflight.protocol.plan.Shard;
import dev.inflight.protocol.plan.ShardParts;
import dev.inflight.worker.transport.PartBytes;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Parts of a shard whose bytes are still in the checkpoint's own files. */
class ShardMemoryTest {
    private static final int MIB = BlockHasher.BLOCK_BYTES;

    @TempDir
    Path directory;

    private final AtomicInteger released = new AtomicInteger();
    private CheckpointFiles files;
    private ShardMemory memory;
    private List<Part> parts;

    @BeforeEach
    void open() throws IOException {
        TestCheckpoints.file(directory.resolve("1.safetensors"), "a", 7, 300, 3 * MIB + 3, 255);
        TestCheckpoints.file(directory.resolve("2.safetensors"), "b", 400, MIB / 2, 2 * MIB + 1, 9);
        files = CheckpointFiles.open(directory);
        Shard shard = TestCheckpoints.wholeShard(files.layout());
        memory = new ShardMemory.InPlace(shard, files.layout(), files, new PartBuffers());
        parts = ShardParts.of(shard).parts();
        assertThat(parts).filteredOn(ShardMemoryTest::inPieces).hasSizeGreaterThan(1);
        assertThat(parts).anyMatch(part -> !inPieces(part));
    }

    @AfterEach
    void close() {
        files.close();
    }

    @Test
    void partsAreWhatTheFilesHoldHoweverManyAreGivenAtATime() {
        List<PartBytes> given = new ArrayList<>();
        for (Part part : parts) {
            given.add(memory.give(part, false, released::incrementAndGet));
        }

        for (int i = 0; i < parts.size(); i++) {
            assertHolds(given.get(i), parts.get(i));
        }
        assertThat(released).hasValue(0);
        given.forEach(PartBytes::close);
        assertThat(released).hasValue(parts.size());
    }

    @Test
    void onePartAfterTheOtherIsPutTogetherInTheSameMemory() {
        List<Long> addresses = new ArrayList<>();
        for (Part part : parts.stream().filter(ShardMemoryTest::inPieces).toList()) {
            try (PartBytes given = memory.give(part, false, released::incrementAndGet)) {
                assertHolds(given, part);
                addresses.add(given.bytes().address());
            }
        }
        assertThat(addresses).containsOnly(addresses.getFirst());
    }

    @Test
    void onlyWhatIsInOnePieceIsFoundInAFile() {
        for (Part part : parts) {
            try (PartBytes given = memory.give(part, true, released::incrementAndGet)) {
                assertThat(given.file() == null).as("%s", part).isEqualTo(inPieces(part));
            }
        }
    }

    private void assertHolds(PartBytes given, Part part) {
        assertThat(given.bytes().byteSize()).isEqualTo(part.bytes());
        for (var placement : part.placements()) {
            var slice = placement.slice();
            var tensor = files.layout().tensors().get(slice.tensor());
            var expected = files.map(tensor.file()).asSlice(tensor.begin() + slice.begin(), slice.bytes());
            assertThat(given.bytes().asSlice(placement.offset(), slice.bytes()).mismatch(expected))
                    .as("tensor %s of %s", tensor.name(), part)
                    .isEqualTo(-1);
        }
    }

    private static boolean inPieces(Part part) {
        return part.placements().size() > 1;
    }
}
