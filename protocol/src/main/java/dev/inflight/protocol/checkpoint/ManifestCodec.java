package dev.inflight.protocol.checkpoint;

import com.fasterxml.jackson.core.JsonGenerator;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** The manifest's canonical JSON, whose SHA-256 is the checkpoint's identity. */
public final class ManifestCodec {
    private static final String FORMAT = "inflight-manifest-1";
    private static final String DIGEST = "xxh3-128/1MiB";
    private static final String SOURCE = "manifest";

    private ManifestCodec() {}

    public static byte[] encode(Manifest manifest) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try {
            LayoutJson.write(out, json -> write(manifest, json));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return out.toByteArray();
    }

    static void write(Manifest manifest, JsonGenerator json) throws IOException {
        json.writeStringField("format", FORMAT);
        json.writeStringField("digest", DIGEST);
        LayoutJson.writeLayout(manifest.layout(), manifest.digests(), json);
    }

    /**
     * Reads what {@link #encode} wrote. Whether it is the manifest asked for, its SHA-256 says.
     *
     * @throws CheckpointException if it is malformed or describes no possible checkpoint
     */
    public static Manifest decode(byte[] encoded) {
        JsonCursor cursor = new JsonCursor(SOURCE, "document", encoded);
        cursor.beginObject("the JSON");
        expectConstant(cursor, "format", FORMAT);
        expectConstant(cursor, "digest", DIGEST);
        List<SourceFile> files = files(cursor);
        List<TensorSpec> tensors = new ArrayList<>();
        List<TensorDigest> digests = new ArrayList<>();
        cursor.expectField("tensors");
        cursor.beginArray("tensors");
        while (cursor.nextObject("tensors")) {
            tensors.add(tensor(cursor, files));
            digests.add(digest(cursor));
            cursor.endObject();
            cursor.inTensor(null);
        }
        cursor.endObject();
        cursor.end();
        requireSound(cursor, tensors);
        return new Manifest(new CheckpointLayout(files, tensors), digests);
    }

    private static void expectConstant(JsonCursor cursor, String field, String value) {
        cursor.expectField(field);
        String found = cursor.string(field);
        if (!found.equals(value)) {
            throw cursor.refuse(field + " is " + CheckpointException.quote(found) + ", not " + value);
        }
    }

    private static List<SourceFile> files(JsonCursor cursor) {
        List<SourceFile> files = new ArrayList<>();
        cursor.expectField("files");
        cursor.beginArray("files");
        while (cursor.nextObject("files")) {
            cursor.expectField("name");
            String name = cursor.string("name");
            cursor.expectField("bytes");
            files.add(new SourceFile(name, cursor.size("bytes")));
            cursor.endObject();
            if (files.size() > 1 && files.get(files.size() - 2).name().compareTo(name) >= 0) {
                throw cursor.refuse("file " + CheckpointException.quote(name) + " is not in order");
            }
        }
        return files;
    }

    private static TensorSpec tensor(JsonCursor cursor, List<SourceFile> files) {
        cursor.expectField("name");
        String name = cursor.string("name");
        cursor.inTensor(name);
        cursor.expectField("dtype");
        Dtype dtype = Dtype.byName(cursor.string("dtype")).orElseThrow(() -> cursor.refuse("has an unknown dtype"));
        cursor.expectField("shape");
        List<Long> shape = cursor.sizes("shape", SafetensorsHeader.MAX_RANK);
        cursor.expectField("file");
        long file = cursor.size("file");
        cursor.expectField("begin");
        long begin = cursor.size("begin");
        cursor.expectField("end");
        long end = cursor.size("end");
        if (file >= files.size() || end > files.get((int) file).bytes()) {
            throw cursor.refuse("lies outside the files");
        }
        long bytes = TensorSize.bytes(dtype, shape).orElse(-1);
        if (end - begin != bytes) {
            throw cursor.refuse("of " + dtype + shape + " does not fit its range " + begin + " to " + end);
        }
        return new TensorSpec(name, dtype, shape, (int) file, begin, end);
    }

    private static TensorDigest digest(JsonCursor cursor) {
        cursor.expectField("digest");
        try {
            return TensorDigest.parse(cursor.string("digest"));
        } catch (IllegalArgumentException e) {
            throw cursor.refuse(String.valueOf(e.getMessage()));
        }
    }

    private static void requireSound(JsonCursor cursor, List<TensorSpec> tensors) {
        Set<String> names = new HashSet<>();
        TensorSpec previous = null;
        for (TensorSpec tensor : tensors) {
            cursor.inTensor(tensor.name());
            if (!names.add(tensor.name())) {
                throw cursor.refuse("appears twice");
            }
            if (previous != null && CheckpointLayout.ORDER.compare(previous, tensor) >= 0) {
                throw cursor.refuse("is not in order");
            }
            if (previous != null
                    && previous.file() == tensor.file()
                    && tensor.bytes() > 0
                    && tensor.begin() < previous.end()) {
                throw cursor.refuse("overlaps the tensor before it");
            }
            previous = tensor;
        }
    }
}
