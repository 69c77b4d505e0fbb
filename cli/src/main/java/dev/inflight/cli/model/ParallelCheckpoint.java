package dev.inflight.cli.model;

import dev.inflight.protocol.checkpoint.Dtype;
import dev.inflight.protocol.checkpoint.SafetensorsWriter;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongConsumer;

/**
 * Writes byte for byte what {@link SyntheticCheckpoint} writes, with several threads. The files are mapped: the kernel
 * lets one thread at a time write to a file, but lets all touch a mapping of it.
 */
public final class ParallelCheckpoint {
    /** A file larger than the room it has would end the process with SIGBUS, so some must be left. */
    private static final long SPARE_BYTES = 64 << 20;

    private final long seed;
    private final LongConsumer progress;
    private final List<Chunk> chunks = new ArrayList<>();
    private final AtomicInteger next = new AtomicInteger();
    private final AtomicLong written = new AtomicLong();

    private ParallelCheckpoint(long seed, LongConsumer progress) {
        this.seed = seed;
        this.progress = progress;
    }

    /** One MiB of a tensor, or its rest, and where it goes. */
    private record Chunk(int tensor, Dtype dtype, long index, MemorySegment place) {}

    /**
     * @param dir created if missing; files of these names are replaced
     * @param seed chooses the contents
     * @param progress told the tensor bytes written so far, by several threads
     * @throws IOException if the file system has no room, or refuses
     */
    public static void write(Path dir, List<ModelTensor> tensors, long seed, int threads, LongConsumer progress)
            throws IOException, InterruptedException {
        Files.createDirectories(dir);
        requireRoom(dir, tensors);
        List<FilePartition.Part> parts = FilePartition.of(tensors);
        try (Arena arena = Arena.ofShared()) {
            ParallelCheckpoint checkpoint = new ParallelCheckpoint(seed, progress);
            int first = 0;
            for (FilePartition.Part part : parts) {
                checkpoint.layOut(dir.resolve(part.file()), part.tensors(), first, arena);
                first += part.tensors().size();
            }
            checkpoint.fill(threads);
        }
        if (parts.size() > 1) {
            SyntheticCheckpoint.writeIndex(dir, parts);
        }
    }

    private static void requireRoom(Path dir, List<ModelTensor> tensors) throws IOException {
        long needed = tensors.stream().mapToLong(ModelTensor::bytes).sum() + SPARE_BYTES;
        long free = Files.getFileStore(dir).getUsableSpace();
        if (free < needed) {
            throw new IOException(dir + ": the checkpoint takes " + needed + " bytes and " + free + " are free");
        }
    }

    /** Makes a file of its full size with its header, and notes what goes where. */
    private void layOut(Path file, List<ModelTensor> tensors, int first, Arena arena) throws IOException {
        byte[] header = SafetensorsWriter.header(
                String.valueOf(file.getFileName()),
                SyntheticCheckpoint.METADATA,
                tensors.stream()
                        .map(tensor ->
                                new SafetensorsWriter.Tensor(tensor.name(), tensor.dtype(), tensor.shape(), out -> {}))
                        .toList());
        long bytes =
                header.length + tensors.stream().mapToLong(ModelTensor::bytes).sum();
        MemorySegment mapping;
        try (FileChannel channel = FileChannel.open(
                file,
                StandardOpenOption.CREATE,
                StandardOpenOption.TRUNCATE_EXISTING,
                StandardOpenOption.READ,
                StandardOpenOption.WRITE)) {
            mapping = channel.map(FileChannel.MapMode.READ_WRITE, 0, bytes, arena);
        }
        MemorySegment.copy(MemorySegment.ofArray(header), 0, mapping, 0, header.length);
        long begin = header.length;
        for (int i = 0; i < tensors.size(); i++) {
            ModelTensor tensor = tensors.get(i);
            addChunks(first + i, tensor, mapping.asSlice(begin, tensor.bytes()));
            begin += tensor.bytes();
        }
    }

    private void addChunks(int index, ModelTensor tensor, MemorySegment place) {
        for (long begin = 0; begin < place.byteSize(); begin += SyntheticContent.CHUNK_BYTES) {
            long bytes = Math.min(SyntheticContent.CHUNK_BYTES, place.byteSize() - begin);
            chunks.add(new Chunk(
                    index, tensor.dtype(), begin / SyntheticContent.CHUNK_BYTES, place.asSlice(begin, bytes)));
        }
    }

    private void fill(int threads) throws IOException, InterruptedException {
        // Closing waits for the threads, which must not touch the mappings after this returns.
        try (ExecutorService pool = Executors.newFixedThreadPool(threads)) {
            List<Callable<Void>> work = new ArrayList<>();
            for (int i = 0; i < threads; i++) {
                work.add(this::fillChunks);
            }
            try {
                for (Future<Void> done : pool.invokeAll(work)) {
                    done.get();
                }
            } catch (ExecutionException e) {
                throw new IOException("cannot make the checkpoint: " + e.getCause(), e.getCause());
            } finally {
                pool.shutdownNow();
            }
        }
    }

    private Void fillChunks() throws InterruptedException {
        SyntheticContent content = new SyntheticContent(seed);
        for (int i = next.getAndIncrement(); i < chunks.size(); i = next.getAndIncrement()) {
            if (Thread.interrupted()) {
                throw new InterruptedException();
            }
            Chunk chunk = chunks.get(i);
            long bytes = chunk.place().byteSize();
            MemorySegment.copy(content.chunk(chunk.tensor(), chunk.index(), chunk.dtype()), 0, chunk.place(), 0, bytes);
            progress.accept(written.addAndGet(bytes));
        }
        return null;
    }
}
