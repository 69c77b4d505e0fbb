package dev.inflight.protocol.link;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The JSON layer of a frame: text to plain values and back. Which fields a verb has is not known here. */
final class JsonFrame {
    /** Stands for a JSON number that is no 64-bit integer; no field of the protocol takes one. */
    static final Object OTHER_NUMBER = new Object();

    private static final JsonFactory JSON = JsonFactory.builder()
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNestingDepth(32)
                    .maxNumberLength(64)
                    .maxTokenCount(4_000_000)
                    .maxStringLength(LinkCodec.MAX_FRAME_BYTES)
                    .build())
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .build();

    private JsonFrame() {}

    interface Body {
        void write(JsonFieldWriter json) throws IOException;
    }

    static ByteBuffer write(String verb, Body body) throws LinkException {
        ByteArrayOutputStream out = new ByteArrayOutputStream(256);
        try {
            out.write(new byte[LinkCodec.LENGTH_BYTES]);
            try (JsonGenerator generator = JSON.createGenerator(out)) {
                generator.writeStartObject();
                generator.writeStringField("verb", verb);
                body.write(new JsonFieldWriter(generator));
                generator.writeEndObject();
            }
        } catch (IOException e) {
            throw new LinkException(verb + ": can not be written as JSON: " + e.getMessage(), e);
        }
        int length = out.size() - LinkCodec.LENGTH_BYTES;
        if (length > LinkCodec.MAX_FRAME_BYTES) {
            throw new LinkException("%s: the frame would have %d bytes, at most %d are allowed"
                    .formatted(verb, length, LinkCodec.MAX_FRAME_BYTES));
        }
        return ByteBuffer.wrap(out.toByteArray()).putInt(0, length);
    }

    static JsonFields read(byte[] json) throws LinkException {
        try (JsonParser parser = JSON.createParser(decodeUtf8(json))) {
            if (parser.nextToken() != JsonToken.START_OBJECT) {
                throw new LinkException("the frame is no JSON object");
            }
            Map<String, @Nullable Object> fields = object(parser);
            if (parser.nextToken() != null) {
                throw new LinkException("the frame goes on after its JSON object");
            }
            return new JsonFields("frame", fields);
        } catch (JsonProcessingException e) {
            throw new LinkException("the frame is no valid JSON: " + e.getOriginalMessage(), e);
        } catch (LinkException e) {
            throw e;
        } catch (IOException e) {
            throw new LinkException("the frame can not be read: " + e.getMessage(), e);
        }
    }

    // The parser would take UTF-16 and UTF-32 as well; the protocol does not.
    private static String decodeUtf8(byte[] json) throws LinkException {
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(json))
                    .toString();
        } catch (CharacterCodingException e) {
            throw new LinkException("the frame is no valid UTF-8", e);
        }
    }

    private static Map<String, @Nullable Object> object(JsonParser parser) throws IOException {
        Map<String, @Nullable Object> fields = new LinkedHashMap<>();
        while (parser.nextToken() != JsonToken.END_OBJECT) {
            String name = parser.currentName();
            parser.nextToken();
            fields.put(name, value(parser));
        }
        return fields;
    }

    private static List<@Nullable Object> array(JsonParser parser) throws IOException {
        List<@Nullable Object> values = new ArrayList<>();
        while (parser.nextToken() != JsonToken.END_ARRAY) {
            values.add(value(parser));
        }
        return values;
    }

    private static @Nullable Object value(JsonParser parser) throws IOException {
        return switch (parser.currentToken()) {
            case START_OBJECT -> object(parser);
            case START_ARRAY -> array(parser);
            case VALUE_STRING -> parser.getText();
            case VALUE_TRUE -> true;
            case VALUE_FALSE -> false;
            case VALUE_NULL -> null;
            case VALUE_NUMBER_INT ->
                parser.getNumberType() == JsonParser.NumberType.BIG_INTEGER ? OTHER_NUMBER : parser.getLongValue();
            default -> OTHER_NUMBER;
        };
    }
}
