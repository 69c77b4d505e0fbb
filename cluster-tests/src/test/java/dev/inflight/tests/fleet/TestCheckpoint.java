package dev.inflight.tests.fleet;

import dev.inflight.cli.load.ExpectedAnswers;
import dev.inflight.protocol.checkpoint.CheckpointLayout;
import dev.inflight.protocol.checkpoint.Dtype;
import dev.inflight.protocol.checkpoint.SafetensorsWriter;
import dev.inflight.protocol.link.TensorParallel;
import dev.inflight.worker.store.CheckpointFiles;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.LongFunction;

/** A small checkpoint of many tensors, some odd, and what engines that serve it answer. */
public final class TestCheckpoint implements AutoCloseable {
    private static final int LAYERS = 12;
    private static final int LAYER_BYTES = 1 << 20;

    private final Path file;
    private final CheckpointFiles files;

    private TestCheckpoint(Path file) {
        this.file = file;
        this.files = CheckpointFiles.open(file);
    }

    /** Equal seeds give equal bytes. */
    public static TestCheckpoint write(Path file, long seed) throws IOException {
        Random random = new Random(seed);
        List<SafetensorsWriter.Tensor> tensors = new ArrayList<>();
        for (int layer = 0; layer < LAYERS; layer++) {
            tensors.add(tensor(random, "layers." + layer + ".weight", Dtype.BF16, 512, LAYER_BYTES / 1024));
            tensors.add(tensor(random, "layers." + layer + ".bias", Dtype.F32, 33));
        }
        // Larger than a slot, so that it is split.
        tensors.add(tensor(random, "embedding", Dtype.F16, 1280, 1024));
        tensors.add(tensor(random, "scale", Dtype.F32));
        tensors.add(tensor(random, "nothing", Dtype.F32, 0));
        SafetensorsWriter.write(file, Map.of(), tensors);
        return new TestCheckpoint(file);
    }

    /** Equal seeds give equal bytes. All tensors but the last have the same size; one at a time is in memory. */
    public static TestCheckpoint write(Path file, long seed, int tensors, long bytes) throws IOException {
        List<SafetensorsWriter.Tensor> list = new ArrayList<>();
        for (int index = 0; index < tensors; index++) {
            long size = index < tensors - 1 ? bytes / tensors : bytes - bytes / tensors * (tensors - 1);
            Random random = new Random(seed * tensors + index);
            SafetensorsWriter.Source source = out -> out.write(ByteBuffer.wrap(bytes(random, size)));
            list.add(new SafetensorsWriter.Tensor("layers." + index + ".weight", Dtype.U8, List.of(size), source));
        }
        SafetensorsWriter.write(file, Map.of(), list);
        return new TestCheckpoint(file);
    }

    public Path file() {
        return file;
    }

    public CheckpointLayout layout() {
        return files.layout();
    }

    /** The answer to a seed; valid until this is closed. */
    public LongFunction<String> answers() {
        return answers(TensorParallel.NONE);
    }

    /** The same of an engine that holds slices of the tensors. */
    public LongFunction<String> answers(TensorParallel share) {
        return new ExpectedAnswers(files.layout(), files::map, share);
    }

    @Override
    public void close() {
        files.close();
    }

    private static SafetensorsWriter.Tensor tensor(Random random, String name, Dtype dtype, long... shape) {
        long elements = 1;
        List<Long> extents = new ArrayList<>();
        for (long extent : shape) {
            elements *= extent;
            extents.add(extent);
        }
        return SafetensorsWriter.Tensor.of(name, dtype, extents, bytes(random, elements * dtype.bits() / 8));
    }

    private static byte[] bytes(Random random, long length) {
        byte[] bytes = new byte[Math.toIntExact(length)];
        random.nextBytes(bytes);
        return bytes;
    }
}
