package dev.inflight.engine;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;

/** A session's slot files under {@code /dev/shm}. */
final class ShmSlots implements AutoCloseable {
    private final Map<Integer, Path> files = new HashMap<>();

    /** Makes the slot if there is none and writes its fills. */
    void fill(JsonNode slot) throws IOException {
        Path file = files.get(slot.get("id").asInt());
        if (file == null) {
            file = create(slot.get("bytes").asInt());
            files.put(slot.get("id").asInt(), file);
        }
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            for (JsonNode fill : slot.get("fill")) {
                channel.write(ByteBuffer.wrap(content(fill)), fill.get("offset").asLong());
            }
        }
    }

    void assertHolds(JsonNode slot) throws IOException {
        byte[] bytes = Files.readAllBytes(files.get(slot.get("id").asInt()));
        for (JsonNode fill : slot.get("fill")) {
            byte[] expected = content(fill);
            int offset = fill.get("offset").asInt();
            assertThat(Arrays.copyOfRange(bytes, offset, offset + expected.length))
                    .isEqualTo(expected);
        }
    }

    /** Replaces the names of slots by their files' paths. */
    JsonNode withPaths(JsonNode message) throws IOException {
        String text = message.toString();
        for (Map.Entry<Integer, Path> file : files.entrySet()) {
            text = text.replace("${slot:" + file.getKey() + "}", file.getValue().toString());
        }
        return new ObjectMapper().readTree(text);
    }

    @Override
    public void close() throws IOException {
        for (Path file : files.values()) {
            Files.deleteIfExists(file);
        }
    }

    private static Path create(int bytes) throws IOException {
        Path file = Files.createTempFile(Path.of("/dev/shm"), "inflight-test-", ".slot");
        Files.write(file, new byte[bytes]);
        return file;
    }

    private static byte[] content(JsonNode fill) {
        if (fill.has("hex")) {
            return HexFormat.of().parseHex(fill.get("hex").asText());
        }
        byte[] bytes = new byte[fill.get("bytes").asInt()];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) splitMix64(fill.get("seed").asLong() + i);
        }
        return bytes;
    }

    private static long splitMix64(long x) {
        long z = x + 0x9E3779B97F4A7C15L;
        z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
        z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
        return z ^ (z >>> 31);
    }
}
