package dev.inflight.cli.demo;

import dev.inflight.protocol.checkpoint.CheckpointLayout;
import dev.inflight.protocol.checkpoint.Dtype;
import dev.inflight.protocol.checkpoint.SafetensorsWriter;
import dev.inflight.protocol.checkpoint.TensorSpec;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;

/** Tensors without a training run behind them: names, types and shapes of a model, bytes of a random generator. */
final class MadeUpCheckpoint {
    private static final int CHUNK_BYTES = 1 << 20;

    private final List<TensorSpec> tensors;

    private MadeUpCheckpoint(List<TensorSpec> tensors) {
        this.tensors = List.copyOf(tensors);
    }

    /** The tensors of an existing checkpoint. */
    static MadeUpCheckpoint like(CheckpointLayout layout) {
        return new MadeUpCheckpoint(layout.tensors());
    }

    /** A model of about this many bytes. */
    static MadeUpCheckpoint ofSize(long bytes) {
        List<TensorSpec> tensors = new ArrayList<>();
        long part = bytes / 32 / 2;
        for (int i = 0; i < 32; i++) {
            tensors.add(new TensorSpec("layers." + i + ".weight", Dtype.BF16, List.of(part), 0, 0, part * 2));
        }
        return new MadeUpCheckpoint(tensors);
    }

    /** Writes one safetensors file; equal seeds give equal bytes. */
    void write(Path file, long seed) throws IOException {
        List<SafetensorsWriter.Tensor> out = new ArrayList<>();
        for (TensorSpec tensor : tensors) {
            SplittableRandom random = new SplittableRandom(seed * 31 + out.size());
            out.add(new SafetensorsWriter.Tensor(
                    tensor.name(), tensor.dtype(), tensor.shape(), channel -> fill(tensor, random, channel)));
        }
        SafetensorsWriter.write(file, Map.of("format", "pt"), out);
    }

    private static void fill(TensorSpec tensor, SplittableRandom random, WritableByteChannel out) throws IOException {
        byte[] chunk = new byte[(int) Math.min(CHUNK_BYTES, tensor.bytes())];
        for (long left = tensor.bytes(); left > 0; ) {
            int bytes = (int) Math.min(chunk.length, left);
            random.nextBytes(chunk);
            if (tensor.dtype() == Dtype.BOOL) {
                for (int i = 0; i < bytes; i++) {
                    chunk[i] &= 1;
                }
            }
            ByteBuffer buffer = ByteBuffer.wrap(chunk, 0, bytes);
            while (buffer.hasRemaining()) {
                out.write(buffer);
            }
            left -= bytes;
        }
    }
}
