package dev.inflight.protocol.link;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.util.HexFormat;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** The conformance vectors that every implementation of the link is held to. */
class FrameVectorsTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    @TestFactory
    Stream<DynamicTest> framesDecodeToTheirMessageOrAreRefused() throws IOException {
        try (InputStream vectors = FrameVectorsTest.class.getResourceAsStream("/engine-link/frames.json")) {
            return StreamSupport.stream(JSON.readTree(vectors).spliterator(), false)
                    .map(vector -> DynamicTest.dynamicTest(vector.get("name").asText(), () -> check(vector)));
        }
    }

    private static void check(JsonNode vector) throws IOException {
        byte[] stream = HexFormat.of().parseHex(vector.get("hex").asText());
        boolean fromEngine = vector.get("from").asText().equals("engine");
        if (vector.path("error").asBoolean()) {
            assertThatThrownBy(() -> read(stream, fromEngine)).isInstanceOf(IOException.class);
            return;
        }
        LinkMessage message = read(stream, fromEngine);
        byte[] encoded = bytes(LinkCodec.encode(message));
        assertThat(read(encoded, fromEngine)).isEqualTo(message);
        assertThat(withoutNulls(json(encoded))).isEqualTo(withoutNulls(vector.get("message")));
    }

    private static LinkMessage read(byte[] stream, boolean fromEngine) throws IOException {
        FrameReader frames = new FrameReader(Channels.newChannel(new ByteArrayInputStream(stream)));
        byte[] json = frames.next();
        assertThat(json).isNotNull();
        LinkMessage message = fromEngine ? LinkCodec.decodeEngineMessage(json) : LinkCodec.decodeWorkerMessage(json);
        assertThat(frames.next()).isNull();
        return message;
    }

    private static JsonNode json(byte[] frame) throws IOException {
        return JSON.readTree(frame, LinkCodec.LENGTH_BYTES, frame.length - LinkCodec.LENGTH_BYTES);
    }

    private static byte[] bytes(ByteBuffer buffer) {
        byte[] bytes = new byte[buffer.remaining()];
        buffer.get(bytes);
        return bytes;
    }

    // Absent and null are equal; numbers are compared by value, not by Jackson's node type.
    private static JsonNode withoutNulls(JsonNode node) throws IOException {
        JsonNode copy = JSON.readTree(node.toString());
        strip(copy);
        return copy;
    }

    private static void strip(JsonNode node) {
        if (node instanceof ObjectNode object) {
            object.properties().removeIf(field -> field.getValue().isNull());
        }
        node.forEach(FrameVectorsTest::strip);
    }
}
