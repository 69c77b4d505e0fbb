package dev.inflight.protocol.checkpoint;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CharsetEncoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Reads untrusted JSON strictly from front to back; whatever does not fit becomes a {@link CheckpointException}. Not
 * thread-safe.
 */
final class JsonCursor {
    // Without a symbol table: every name is new, and names chosen to collide in it would fail in other ways.
    private static final JsonFactory JSON = JsonFactory.builder()
            .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxStringLength(SafetensorsHeader.MAX_JSON_BYTES)
                    .build())
            .build();

    private final String file;
    private final String what;
    private final JsonParser parser;
    private final CharsetEncoder utf8 = StandardCharsets.UTF_8.newEncoder();
    private Function<String, CheckpointException> failure;

    /**
     * @param file starts every message
     * @param what the part of the file that is JSON, for messages
     */
    JsonCursor(String file, String what, byte[] json) {
        this.file = file;
        this.what = what;
        this.failure = problem -> new CheckpointException(file, what + ": " + problem);
        var strictUtf8 = StandardCharsets.UTF_8
                .newDecoder()
                .onMalformedInput(CodingErrorAction.REPORT)
                .onUnmappableCharacter(CodingErrorAction.REPORT);
        try {
            parser = JSON.createParser(new InputStreamReader(new ByteArrayInputStream(json), strictUtf8));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Later failures are of this tensor; null for failures of the whole document. */
    void inTensor(@Nullable String tensor) {
        failure = tensor == null
                ? problem -> new CheckpointException(file, what + ": " + problem)
                : problem -> CheckpointException.ofTensor(file, tensor, problem);
    }

    CheckpointException refuse(String problem) {
        return failure.apply(problem);
    }

    void beginObject(String label) {
        expect(JsonToken.START_OBJECT, label, "an object");
    }

    void beginArray(String label) {
        expect(JsonToken.START_ARRAY, label, "an array");
    }

    /** The next field's name, or null at the object's end. */
    @Nullable
    String nextField() {
        if (next() == JsonToken.END_OBJECT) {
            return null;
        }
        return text();
    }

    /** Steps into the next object of an array; false at the array's end. */
    boolean nextObject(String label) {
        return switch (next()) {
            case START_OBJECT -> true;
            case END_ARRAY -> false;
            default -> throw refuse(label + " must hold objects only");
        };
    }

    /** For documents with a fixed field order. */
    void expectField(String name) {
        String field = nextField();
        if (!name.equals(field)) {
            throw refuse("field \"" + name + "\" expected, found "
                    + (field == null ? "none" : CheckpointException.quote(field)));
        }
    }

    void endObject() {
        String field = nextField();
        if (field != null) {
            throw refuse("unknown field " + CheckpointException.quote(field));
        }
    }

    String string(String label) {
        expect(JsonToken.VALUE_STRING, label, "a string");
        String text = text();
        // Escapes can write half a surrogate pair, which has no UTF-8. In names, the parser itself refuses it.
        if (!utf8.canEncode(text)) {
            throw refuse(label + " " + CheckpointException.quote(text) + " is not valid Unicode");
        }
        return text;
    }

    long size(String label) {
        next();
        return currentSize(label);
    }

    /** A list of at most {@code max} sizes. */
    List<Long> sizes(String label, int max) {
        beginArray(label);
        List<Long> values = new ArrayList<>(4);
        while (next() != JsonToken.END_ARRAY) {
            if (values.size() == max) {
                throw refuse(label + " has more than " + max + " entries");
            }
            values.add(currentSize(label));
        }
        return values;
    }

    /** Skips a value of any kind. */
    void skip() {
        next();
        try {
            parser.skipChildren();
        } catch (IOException e) {
            throw unreadable(e);
        }
    }

    /** Nothing but white space may follow. */
    void end() {
        try {
            if (parser.nextToken() != null) {
                throw refuse("more follows after the end of the JSON");
            }
        } catch (IOException e) {
            throw unreadable(e);
        }
    }

    private long currentSize(String label) {
        if (parser.currentToken() != JsonToken.VALUE_NUMBER_INT) {
            throw refuse(label + " must hold whole numbers only");
        }
        try {
            if (parser.getNumberType() == JsonParser.NumberType.BIG_INTEGER) {
                throw refuse(label + " holds a number beyond 64 bits");
            }
            long value = parser.getLongValue();
            if (value < 0) {
                throw refuse(label + " holds the negative number " + value);
            }
            return value;
        } catch (IOException e) {
            throw unreadable(e);
        }
    }

    private void expect(JsonToken token, String label, String kind) {
        if (next() != token) {
            throw refuse(label + " must be " + kind);
        }
    }

    private JsonToken next() {
        try {
            JsonToken token = parser.nextToken();
            if (token == null) {
                throw refuse("is not valid JSON: it ends too early");
            }
            return token;
        } catch (IOException e) {
            throw unreadable(e);
        }
    }

    private String text() {
        try {
            return parser.getText();
        } catch (IOException e) {
            throw unreadable(e);
        }
    }

    private CheckpointException unreadable(IOException e) {
        String problem = switch (e) {
            case CharacterCodingException encoding -> "is not valid UTF-8";
            case JsonProcessingException json ->
                "is not valid JSON: " + json.getOriginalMessage() + ", near character "
                        + (json.getLocation() == null ? "?" : json.getLocation().getCharOffset());
            default -> "can not be read: " + e.getMessage();
        };
        return new CheckpointException(file, what + " " + problem, e);
    }
}
