package dev.inflight.worker.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.inflight.protocol.checkpoint.BlockHasher;
import dev.inflight.protocol.checkpoint.BlockSums;
import dev.inflight.protocol.checkpoint.CheckpointException;
import dev.inflight.protocol.checkpoint.CheckpointLayout;
import dev.inflight.protocol.checkpoint.ManifestAssembly;
import dev.inflight.protocol.checkpoint.TensorSpec;
import dev.inflight.protocol.plan.Shard;
import dev.inflight.protocol.plan.ShardOffsets;
import dev.inflight.protocol.plan.Slice;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.atomic.LongAdder;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ShardReaderTest {
    private static final int MIB = BlockHasher.BLOCK_BYTES;

    @TempDir
    Path directory;

    private final Arena arena = Arena.ofShared();
    private final LongAdder progress = new LongAdder();
    private CheckpointFiles files;

    @BeforeEach
    void open() throws IOException {
        TestCheckpoints.file(directory.resolve("1.safetensors"), "a", 7, 0, 5 * MIB + 3, 255);
        TestCheckpoints.file(directory.resolve("2.safetensors"), "b", MIB, 1, 2 * MIB + 1);
        files = CheckpointFiles.open(directory);
    }

    @AfterEach
    void close() {
        files.close();
        arena.close();
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 5})
    void copiesEverySliceToItsOffsetAndSumsIt(int threads) throws InterruptedException {
        Shard shard = TestCheckpoints.wholeShard(files.layout());
        ShardOffsets offsets = ShardOffsets.of(shard);
        MemorySegment memory = arena.allocate(offsets.bytes());

        BlockSums sums = new ShardReader(files, threads, progress::add).read(shard, memory);

        assertThat(progress.sum()).isEqualTo(shard.bytes());
        for (int i = 0; i < shard.slices().size(); i++) {
            Slice slice = shard.slices().get(i);
            assertThat(offsets.offset(i) % 256).isZero();
            MemorySegment expected =
                    files.map(tensor(slice).file()).asSlice(tensor(slice).begin() + slice.begin(), slice.bytes());
            assertThat(memory.asSlice(offsets.offset(i), slice.bytes()).mismatch(expected))
                    .isEqualTo(-1);
            assertThat(sums.firstDamaged(slice, memory, offsets.offset(i))).isEmpty();
        }
    }

    @Test
    void sumsInPlaceAreThoseOfACopyAndShardsMakeTheSameManifest() throws InterruptedException {
        CheckpointLayout layout = files.layout();
        Shard whole = TestCheckpoints.wholeShard(layout);
        int split = 2;
        long cut = 2L * MIB;
        Shard head = new Shard(0, List.of(whole.slices().get(0), new Slice(split, 0, cut)));
        Shard tail = new Shard(
                1,
                List.of(
                        whole.slices().get(1),
                        new Slice(split, cut, layout.tensors().get(split).bytes()),
                        whole.slices().get(3),
                        whole.slices().get(4),
                        whole.slices().get(5),
                        whole.slices().get(6)));
        ShardReader reader = new ShardReader(files, 2, progress::add);

        BlockSums copied =
                reader.read(whole, arena.allocate(ShardOffsets.of(whole).bytes()));
        BlockSums inPlace = reader.sumInPlace(whole);
        List<BlockSums> sharded = List.of(
                reader.sumInPlace(head),
                reader.read(tail, arena.allocate(ShardOffsets.of(tail).bytes())));

        assertThat(inPlace.encode()).isEqualTo(copied.encode());
        assertThat(ManifestAssembly.assemble(layout, sharded))
                .isEqualTo(ManifestAssembly.assemble(layout, List.of(copied)));
    }

    @Test
    void sumsBlocksBeyondTwoGibibytes() throws Exception {
        long head = 3L << 30;
        Shard shard = new Shard(0, List.of(new Slice(0, head - MIB, head), new Slice(1, 0, 4)));
        Path source = TestCheckpoints.sparse(directory.resolve("big.safetensors"), head);
        try (CheckpointFiles big = CheckpointFiles.open(source)) {
            ShardReader reader = new ShardReader(big, 2, progress::add);

            BlockSums copied = reader.read(shard, arena.allocate(MIB + 256));

            assertThat(copied.digest(0)).isEqualTo(BlockHasher.digest(new byte[MIB]));
            assertThat(copied.digest(1)).isEqualTo(BlockHasher.digest(new byte[] {1, 2, 3, 4}));
            assertThat(reader.sumInPlace(shard).encode()).isEqualTo(copied.encode());
        }
    }

    @Test
    void aLostFileEndsTheReadWithItsName() throws IOException {
        try (FileChannel file = FileChannel.open(directory.resolve("2.safetensors"), StandardOpenOption.WRITE)) {
            file.truncate(Files.size(directory.resolve("2.safetensors")) - 1);
        }
        Shard shard = TestCheckpoints.wholeShard(files.layout());
        MemorySegment memory = arena.allocate(ShardOffsets.of(shard).bytes());

        assertThatExceptionOfType(CheckpointException.class)
                .isThrownBy(() -> new ShardReader(files, 2, progress::add).read(shard, memory))
                .withMessageStartingWith("2.safetensors: can not be read");
    }

    @Test
    void anInterruptEndsTheReadAndLeavesTheFilesOpen() throws InterruptedException {
        Shard shard = TestCheckpoints.wholeShard(files.layout());
        MemorySegment memory = arena.allocate(ShardOffsets.of(shard).bytes());
        CountDownLatch reading = new CountDownLatch(1);
        CountDownLatch interrupted = new CountDownLatch(1);
        AtomicReference<Throwable> outcome = new AtomicReference<>();
        ShardReader reader = new ShardReader(files, 1, bytes -> {
            progress.add(bytes);
            reading.countDown();
            awaitQuietly(interrupted);
        });
        Thread caller = Thread.ofPlatform().start(() -> {
            try {
                reader.read(shard, memory);
            } catch (Throwable e) {
                outcome.set(e);
            }
        });

        reading.await();
        caller.interrupt();
        while (caller.isInterrupted() || caller.getState() != Thread.State.WAITING) {
            Thread.onSpinWait();
        }
        interrupted.countDown();
        caller.join();

        assertThat(outcome.get()).isInstanceOf(InterruptedException.class);
        assertThat(progress.sum()).isLessThan(shard.bytes());
        assertThat(new ShardReader(files, 1, bytes -> {}).read(shard, memory).blocks())
                .isEqualTo(13);
    }

    @Test
    void refusesADestinationThatIsTooSmall() {
        Shard shard = TestCheckpoints.wholeShard(files.layout());
        MemorySegment memory = arena.allocate(ShardOffsets.of(shard).bytes() - 1);

        assertThatIllegalArgumentException()
                .isThrownBy(() -> new ShardReader(files, 1, progress::add).read(shard, memory))
                .withMessageContaining("the destination has " + memory.byteSize());
    }

    private static void awaitQuietly(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException("readers must not be interrupted", e);
        }
    }

    private TensorSpec tensor(Slice slice) {
        return files.layout().tensors().get(slice.tensor());
    }
}
