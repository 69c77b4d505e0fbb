package dev.inflight.protocol.link;

import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Writes one object's fields. */
final class JsonFieldWriter {
    private final JsonGenerator json;

    JsonFieldWriter(JsonGenerator json) {
        this.json = json;
    }

    interface Each<T> {
        void write(JsonFieldWriter json, T element) throws IOException;
    }

    void text(String field, @Nullable String value) throws IOException {
        json.writeStringField(field, value);
    }

    void number(String field, long value) throws IOException {
        json.writeNumberField(field, value);
    }

    void flag(String field, boolean value) throws IOException {
        json.writeBooleanField(field, value);
    }

    void absent(String field) throws IOException {
        json.writeNullField(field);
    }

    void texts(String field, List<String> values) throws IOException {
        json.writeArrayFieldStart(field);
        for (String value : values) {
            json.writeString(value);
        }
        json.writeEndArray();
    }

    void numbers(String field, List<Long> values) throws IOException {
        json.writeArrayFieldStart(field);
        for (long value : values) {
            json.writeNumber(value);
        }
        json.writeEndArray();
    }

    <T> void object(String field, T element, Each<T> each) throws IOException {
        json.writeObjectFieldStart(field);
        each.write(this, element);
        json.writeEndObject();
    }

    <T> void objects(String field, List<T> elements, Each<T> each) throws IOException {
        json.writeArrayFieldStart(field);
        for (T element : elements) {
            json.writeStartObject();
            each.write(this, element);
            json.writeEndObject();
        }
        json.writeEndArray();
    }
}
