package dev.inflight.protocol.checkpoint;

import com.fasterxml.jackson.core.JsonEncoding;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.json.JsonWriteFeature;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The canonical JSON of layouts and manifests: UTF-8, no white space, fixed field order; {@code "}, {@code \} and
 * control characters escaped, nothing else.
 */
final class LayoutJson {
    private static final JsonFactory JSON = JsonFactory.builder()
            .enable(JsonWriteFeature.COMBINE_UNICODE_SURROGATES_IN_UTF8)
            .build();

    private LayoutJson() {}

    interface Body {
        void write(JsonGenerator json) throws IOException;
    }

    static void write(OutputStream out, Body body) throws IOException {
        try (JsonGenerator json = JSON.createGenerator(out, JsonEncoding.UTF8)) {
            json.writeStartObject();
            body.write(json);
            json.writeEndObject();
        }
    }

    static String sha256(Body body) {
        try {
            MessageDigest sha256 = MessageDigest.getInstance("SHA-256");
            write(new DigestOutputStream(OutputStream.nullOutputStream(), sha256), body);
            return HexFormat.of().formatHex(sha256.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Writes the fields {@code files} and {@code tensors}; tensors carry their digests only if given. */
    static void writeLayout(CheckpointLayout layout, @Nullable List<TensorDigest> digests, JsonGenerator json)
            throws IOException {
        json.writeArrayFieldStart("files");
        for (SourceFile file : layout.files()) {
            json.writeStartObject();
            json.writeStringField("name", file.name());
            json.writeNumberField("bytes", file.bytes());
            json.writeEndObject();
        }
        json.writeEndArray();
        json.writeArrayFieldStart("tensors");
        for (int tensor = 0; tensor < layout.tensors().size(); tensor++) {
            writeTensor(layout.tensors().get(tensor), digests == null ? null : digests.get(tensor), json);
        }
        json.writeEndArray();
    }

    private static void writeTensor(TensorSpec tensor, @Nullable TensorDigest digest, JsonGenerator json)
            throws IOException {
        json.writeStartObject();
        json.writeStringField("name", tensor.name());
        json.writeStringField("dtype", tensor.dtype().name());
        json.writeArrayFieldStart("shape");
        for (long extent : tensor.shape()) {
            json.writeNumber(extent);
        }
        json.writeEndArray();
        json.writeNumberField("file", tensor.file());
        json.writeNumberField("begin", tensor.begin());
        json.writeNumberField("end", tensor.end());
        if (digest != null) {
            json.writeStringField("digest", digest.hex());
        }
        json.writeEndObject();
    }
}
