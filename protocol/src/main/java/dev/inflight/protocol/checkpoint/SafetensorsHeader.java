package dev.inflight.protocol.checkpoint;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Map;

/**
 * What the head of one safetensors file says. A file is an 8-byte little-endian length N, N bytes of JSON, then the
 * tensors' bytes, which the JSON's ranges cover exactly (<a
 * href="https://github.com/huggingface/safetensors#format">format</a>).
 *
 * @param file the file
 * @param metadata the {@code __metadata__} map
 * @param tensors its tensors by first byte, then by name; {@link TensorSpec#file()} is 0
 */
public record SafetensorsHeader(SourceFile file, Map<String, String> metadata, List<TensorSpec> tensors) {
    /** Bytes in front of the JSON. */
    public static final int PREFIX_BYTES = 8;

    /** Longest JSON that the format's own library reads. */
    public static final int MAX_JSON_BYTES = 100_000_000;

    /** Most extents a shape may have; the frameworks that write checkpoints stop at 64. */
    public static final int MAX_RANK = 64;

    public SafetensorsHeader {
        metadata = Map.copyOf(metadata);
        tensors = List.copyOf(tensors);
    }

    /**
     * Length of the JSON in bytes.
     *
     * @param prefix the file's first {@link #PREFIX_BYTES} bytes, or all it has
     * @throws CheckpointException if the file can not hold a JSON of that length, or it is too long
     */
    public static int jsonBytes(String fileName, long fileBytes, byte[] prefix) {
        if (prefix.length < PREFIX_BYTES) {
            throw new CheckpointException(
                    fileName, "has " + fileBytes + " bytes, too few for a safetensors header; it may be truncated");
        }
        long length = ByteBuffer.wrap(prefix).order(ByteOrder.LITTLE_ENDIAN).getLong();
        if (Long.compareUnsigned(length, MAX_JSON_BYTES) > 0) {
            throw new CheckpointException(
                    fileName,
                    "header length " + Long.toUnsignedString(length) + " is over the format's limit of "
                            + MAX_JSON_BYTES + " bytes; is it a safetensors file?");
        }
        if (length > fileBytes - PREFIX_BYTES) {
            throw new CheckpointException(
                    fileName,
                    "header of " + length + " bytes is longer than the file of " + fileBytes
                            + " bytes; it may be truncated");
        }
        return (int) length;
    }

    /**
     * Parses and checks a header.
     *
     * @param fileName name for the layout and for messages
     * @param fileBytes length of the whole file
     * @param json the JSON, as long as {@link #jsonBytes} says
     * @throws CheckpointException if the header breaks the format or does not fit the file
     */
    public static SafetensorsHeader parse(String fileName, long fileBytes, byte[] json) {
        return new HeaderParser(new SourceFile(fileName, fileBytes), json).parse();
    }
}
