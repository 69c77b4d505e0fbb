package dev.inflight.worker.store;

import dev.inflight.protocol.checkpoint.CheckpointLayout;
import dev.inflight.protocol.checkpoint.Dtype;
import dev.inflight.protocol.checkpoint.SafetensorsWriter;
import dev.inflight.protocol.checkpoint.TensorSpec;
import dev.inflight.protocol.plan.Shard;
import dev.inflight.protocol.plan.Slice;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;

/** Small checkpoints with seeded bytes, and huge ones that are nearly all hole. */
final class TestCheckpoints {
    private TestCheckpoints() {}

    /** A file of U8 tensors {@code <prefix>0}, {@code <prefix>1}, ... */
    static Path file(Path file, String prefix, int... sizes) throws IOException {
        Random random = new Random(prefix.hashCode());
        List<SafetensorsWriter.Tensor> tensors = new ArrayList<>();
        for (int size : sizes) {
            byte[] bytes = new byte[size];
            random.nextBytes(bytes);
            tensors.add(SafetensorsWriter.Tensor.of(prefix + tensors.size(), Dtype.U8, List.of((long) size), bytes));
        }
        SafetensorsWriter.write(file, Map.of(), tensors);
        return file;
    }

    static Path index(Path directory, String weightMap) throws IOException {
        return Files.writeString(
                directory.resolve("model.safetensors.index.json"), "{\"weight_map\":{" + weightMap + "}}");
    }

    /** A sparse file with the tensors {@code head} of {@code headBytes} and {@code tail} of four bytes, 1 2 3 4. */
    static Path sparse(Path file, long headBytes) throws IOException {
        String json = ("{\"head\":{\"dtype\":\"U8\",\"shape\":[%d],\"data_offsets\":[0,%d]},"
                        + "\"tail\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[%d,%d]}}")
                .formatted(headBytes, headBytes, headBytes, headBytes + 4);
        try (FileChannel out = FileChannel.open(
                file, StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.SPARSE)) {
            ByteBuffer header = ByteBuffer.allocate(8 + json.length()).order(ByteOrder.LITTLE_ENDIAN);
            header.putLong(json.length()).put(json.getBytes(StandardCharsets.US_ASCII));
            out.write(header.flip(), 0);
            out.write(ByteBuffer.wrap(new byte[] {1, 2, 3, 4}), 8 + json.length() + headBytes);
        }
        return file;
    }

    /** All tensors, whole, in one shard. */
    static Shard wholeShard(CheckpointLayout layout) {
        List<Slice> slices = new ArrayList<>();
        for (TensorSpec tensor : layout.tensors()) {
            slices.add(new Slice(slices.size(), 0, tensor.bytes()));
        }
        return new Shard(0, slices);
    }
}
