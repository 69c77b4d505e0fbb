package dev.inflight.worker.update;

import dev.inflight.protocol.checkpoint.Dtype;
import dev.inflight.protocol.checkpoint.SafetensorsWriter;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.LongStream;

/** A checkpoint of one file with random bytes: equal calls with equal seeds make equal ones. */
final class RandomCheckpoint {
    private final Random random;
    private final List<SafetensorsWriter.Tensor> tensors = new ArrayList<>();

    RandomCheckpoint(long seed) {
        random = new Random(seed);
    }

    /**
     * What tests of joins bring: tensors of many sizes in layers, one that is in several shards, and an empty one; 32 MiB
     * with the largest of 15 MiB.
     */
    static RandomCheckpoint forJoins(long largest) {
        return new RandomCheckpoint(7)
                .layers(12, 700_000, "self_attn.q_proj", "mlp.up_proj")
                .with("model.embed_tokens.weight", largest + 2)
                .with(SafetensorsWriter.Tensor.of("model.empty", Dtype.F32, List.of(0L, 4L), new byte[0]));
    }

    /** @param bytes of a tensor of the first layer; those of each next one have a byte more */
    RandomCheckpoint layers(int count, int bytes, String... names) {
        for (int layer = 0; layer < count; layer++) {
            for (var name : names) {
                with("model.layers." + layer + "." + name + ".weight", bytes + layer);
            }
        }
        return this;
    }

    /** One more tensor, of bytes. */
    RandomCheckpoint with(String name, long... shape) {
        var bytes = new byte[Math.toIntExact(LongStream.of(shape).reduce(1, Math::multiplyExact))];
        random.nextBytes(bytes);
        return with(SafetensorsWriter.Tensor.of(
                name, Dtype.U8, LongStream.of(shape).boxed().toList(), bytes));
    }

    RandomCheckpoint with(SafetensorsWriter.Tensor tensor) {
        tensors.add(tensor);
        return this;
    }

    /** @return the file */
    Path write(Path file) throws IOException {
        SafetensorsWriter.write(file, Map.of(), tensors);
        return file;
    }
}
