package dev.inflight.protocol.checkpoint;

import com.fasterxml.jackson.core.JsonGenerator;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/** Writes one safetensors file, tensor by tensor, without holding its bytes in memory. */
public final class SafetensorsWriter {
    /** Tensor bytes begin at a multiple of this; the header is padded with spaces. */
    public static final int ALIGNMENT = 256;

    private static final String METADATA = "__metadata__";

    private final String fileName;
    private final List<Tensor> tensors;
    private final List<Long> sizes = new ArrayList<>();

    private SafetensorsWriter(String fileName, List<Tensor> tensors) {
        this.fileName = fileName;
        this.tensors = tensors;
        Set<String> names = new HashSet<>();
        for (Tensor tensor : tensors) {
            if (tensor.name().equals(METADATA)) {
                throw CheckpointException.ofTensor(fileName, tensor.name(), "has a reserved name");
            }
            if (!names.add(tensor.name())) {
                throw CheckpointException.ofTensor(fileName, tensor.name(), "is given twice");
            }
            sizes.add(TensorSize.bytes(tensor.dtype(), tensor.shape())
                    .orElseThrow(() -> CheckpointException.ofTensor(
                            fileName,
                            tensor.name(),
                            "of " + tensor.dtype() + tensor.shape() + " has no possible size")));
        }
    }

    /** Produces one tensor's bytes. */
    @FunctionalInterface
    public interface Source {
        /** Writes all of the tensor's bytes, little-endian and row-major, and no more. */
        void writeTo(WritableByteChannel out) throws IOException;
    }

    /** A tensor to write. */
    public record Tensor(String name, Dtype dtype, List<Long> shape, Source source) {
        public Tensor {
            shape = List.copyOf(shape);
        }

        public static Tensor of(String name, Dtype dtype, List<Long> shape, byte[] bytes) {
            return new Tensor(name, dtype, shape, out -> writeFully(out, ByteBuffer.wrap(bytes)));
        }
    }

    /**
     * Writes or replaces a file, its tensors in the given order.
     *
     * @throws CheckpointException if the tensors make no valid file or a source writes more or less than its tensor
     */
    public static void write(Path file, Map<String, String> metadata, List<Tensor> tensors) throws IOException {
        SafetensorsWriter writer = new SafetensorsWriter(String.valueOf(file.getFileName()), tensors);
        try (var out = Files.newByteChannel(
                file, StandardOpenOption.CREATE, StandardOpenOption.TRUNCATE_EXISTING, StandardOpenOption.WRITE)) {
            writer.writeTo(out, metadata);
        }
    }

    /** Like {@link #write(Path, Map, List)}, to an open channel; {@code fileName} is for messages. */
    public static void write(
            String fileName, WritableByteChannel out, Map<String, String> metadata, List<Tensor> tensors)
            throws IOException {
        new SafetensorsWriter(fileName, tensors).writeTo(out, metadata);
    }

    /**
     * What {@link #write(Path, Map, List)} would write before the first tensor's bytes, for who puts those there
     * himself. The sources are not asked.
     */
    public static byte[] header(String fileName, Map<String, String> metadata, List<Tensor> tensors)
            throws IOException {
        return new SafetensorsWriter(fileName, tensors).header(metadata);
    }

    private void writeTo(WritableByteChannel out, Map<String, String> metadata) throws IOException {
        writeFully(out, ByteBuffer.wrap(header(metadata)));
        for (int i = 0; i < tensors.size(); i++) {
            Exactly exactly = new Exactly(tensors.get(i).name(), sizes.get(i), out);
            tensors.get(i).source().writeTo(exactly);
            exactly.requireComplete();
        }
    }

    private byte[] header(Map<String, String> metadata) throws IOException {
        ByteArrayOutputStream header = new ByteArrayOutputStream();
        header.write(new byte[SafetensorsHeader.PREFIX_BYTES]);
        LayoutJson.write(header, json -> {
            if (!metadata.isEmpty()) {
                writeMetadata(metadata, json);
            }
            long begin = 0;
            for (int i = 0; i < tensors.size(); i++) {
                long end = Math.addExact(begin, sizes.get(i));
                writeEntry(tensors.get(i), begin, end, json);
                begin = end;
            }
        });
        while (header.size() % ALIGNMENT != 0) {
            header.write(' ');
        }
        byte[] bytes = header.toByteArray();
        int jsonBytes = bytes.length - SafetensorsHeader.PREFIX_BYTES;
        if (jsonBytes > SafetensorsHeader.MAX_JSON_BYTES) {
            throw new CheckpointException(fileName, "header of " + jsonBytes + " bytes is over the format's limit");
        }
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putLong(jsonBytes);
        return bytes;
    }

    private static void writeMetadata(Map<String, String> metadata, JsonGenerator json) throws IOException {
        json.writeObjectFieldStart(METADATA);
        for (Map.Entry<String, String> entry : new TreeMap<>(metadata).entrySet()) {
            json.writeStringField(entry.getKey(), entry.getValue());
        }
        json.writeEndObject();
    }

    private static void writeEntry(Tensor tensor, long begin, long end, JsonGenerator json) throws IOException {
        json.writeObjectFieldStart(tensor.name());
        json.writeStringField("dtype", tensor.dtype().name());
        json.writeArrayFieldStart("shape");
        for (long extent : tensor.shape()) {
            json.writeNumber(extent);
        }
        json.writeEndArray();
        json.writeArrayFieldStart("data_offsets");
        json.writeNumber(begin);
        json.writeNumber(end);
        json.writeEndArray();
        json.writeEndObject();
    }

    private static void writeFully(WritableByteChannel out, ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            out.write(bytes);
        }
    }

    /** Passes on exactly one tensor's bytes. */
    private final class Exactly implements WritableByteChannel {
        private final String tensor;
        private final WritableByteChannel out;
        private long left;

        Exactly(String tensor, long bytes, WritableByteChannel out) {
            this.tensor = tensor;
            this.left = bytes;
            this.out = out;
        }

        @Override
        public int write(ByteBuffer bytes) throws IOException {
            if (bytes.remaining() > left) {
                throw CheckpointException.ofTensor(fileName, tensor, "was given more bytes than its shape takes");
            }
            int written = out.write(bytes);
            left -= written;
            return written;
        }

        void requireComplete() {
            if (left > 0) {
                throw CheckpointException.ofTensor(fileName, tensor, "was given " + left + " bytes too few");
            }
        }

        @Override
        public boolean isOpen() {
            return out.isOpen();
        }

        @Override
        public void close() {
            // The file stays open for the next tensor.
        }
    }
}
