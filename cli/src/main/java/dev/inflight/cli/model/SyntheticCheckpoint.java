package dev.inflight.cli.model;

import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.inflight.protocol.checkpoint.SafetensorsWriter;
import java.io.IOException;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.LongConsumer;

/** Writes a checkpoint directory with a model's tensors and made-up contents. Equal seeds give equal bytes. */
public final class SyntheticCheckpoint {
    static final Map<String, String> METADATA = Map.of("format", "pt");

    private final SyntheticContent content;
    private final LongConsumer progress;
    private long written;

    private SyntheticCheckpoint(long seed, LongConsumer progress) {
        this.content = new SyntheticContent(seed);
        this.progress = progress;
    }

    /**
     * Writes {@code model.safetensors}, or files of about 5 GiB with {@code model.safetensors.index.json}.
     *
     * @param dir created if missing; files of these names are replaced
     * @param seed chooses the contents
     * @param progress told the tensor bytes written so far, at least once per MiB, on the calling thread
     */
    public static void write(Path dir, List<ModelTensor> tensors, long seed, LongConsumer progress) throws IOException {
        Files.createDirectories(dir);
        SyntheticCheckpoint checkpoint = new SyntheticCheckpoint(seed, progress);
        List<FilePartition.Part> parts = FilePartition.of(tensors);
        int first = 0;
        for (FilePartition.Part part : parts) {
            checkpoint.writeFile(dir.resolve(part.file()), part.tensors(), first);
            first += part.tensors().size();
        }
        if (parts.size() > 1) {
            writeIndex(dir, parts);
        }
    }

    private void writeFile(Path file, List<ModelTensor> tensors, int first) throws IOException {
        List<SafetensorsWriter.Tensor> out = new ArrayList<>(tensors.size());
        for (int i = 0; i < tensors.size(); i++) {
            ModelTensor tensor = tensors.get(i);
            int index = first + i;
            out.add(new SafetensorsWriter.Tensor(
                    tensor.name(), tensor.dtype(), tensor.shape(), channel -> fill(index, tensor, channel)));
        }
        SafetensorsWriter.write(file, METADATA, out);
    }

    private void fill(int index, ModelTensor tensor, WritableByteChannel out) throws IOException {
        long size = tensor.bytes();
        for (long begin = 0; begin < size; begin += SyntheticContent.CHUNK_BYTES) {
            long bytes = Math.min(SyntheticContent.CHUNK_BYTES, size - begin);
            var buffer = content.chunk(index, begin / SyntheticContent.CHUNK_BYTES, tensor.dtype())
                    .asSlice(0, bytes)
                    .asByteBuffer();
            while (buffer.hasRemaining()) {
                out.write(buffer);
            }
            written += bytes;
            progress.accept(written);
        }
    }

    static void writeIndex(Path dir, List<FilePartition.Part> parts) throws IOException {
        Map<String, String> weightMap = new TreeMap<>();
        long total = 0;
        for (FilePartition.Part part : parts) {
            for (ModelTensor tensor : part.tensors()) {
                weightMap.put(tensor.name(), part.file());
                total += tensor.bytes();
            }
        }
        Map<String, Object> index = new LinkedHashMap<>();
        index.put("metadata", Map.of("total_size", total));
        index.put("weight_map", weightMap);
        new JsonMapper()
                .writerWithDefaultPrettyPrinter()
                .writeValue(dir.resolve("model.safetensors.index.json").toFile(), index);
    }
}
