package dev.inflight.protocol.checkpoint;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Parses one safetensors header. Streams, because headers of large mixtures of experts have 150,000 tensors. */
final class HeaderParser {
    private static final String METADATA = "__metadata__";

    private final SourceFile file;
    private final byte[] json;
    private final JsonCursor cursor;
    private final long dataStart;
    private final List<TensorSpec> tensors = new ArrayList<>();
    private @Nullable Map<String, String> metadata;

    HeaderParser(SourceFile file, byte[] json) {
        this.file = file;
        this.json = json;
        this.cursor = new JsonCursor(file.name(), "header", json);
        this.dataStart = SafetensorsHeader.PREFIX_BYTES + (long) json.length;
    }

    SafetensorsHeader parse() {
        if (json.length == 0 || json[0] != '{') {
            throw cursor.refuse("must start with {");
        }
        cursor.beginObject("the JSON");
        Set<String> names = new HashSet<>();
        for (String name = cursor.nextField(); name != null; name = cursor.nextField()) {
            if (!names.add(name)) {
                throw CheckpointException.ofTensor(file.name(), name, "appears twice in the header");
            }
            if (name.equals(METADATA)) {
                metadata = metadata();
            } else {
                cursor.inTensor(name);
                tensors.add(tensor(name));
                cursor.inTensor(null);
            }
        }
        cursor.end();
        requireExactCover();
        tensors.sort(CheckpointLayout.ORDER);
        return new SafetensorsHeader(file, metadata == null ? Map.of() : metadata, tensors);
    }

    private Map<String, String> metadata() {
        cursor.beginObject(METADATA);
        Map<String, String> entries = new HashMap<>();
        for (String key = cursor.nextField(); key != null; key = cursor.nextField()) {
            if (entries.put(key, cursor.string(METADATA + " entry " + CheckpointException.quote(key))) != null) {
                throw cursor.refuse(METADATA + " has " + CheckpointException.quote(key) + " twice");
            }
        }
        return entries;
    }

    private TensorSpec tensor(String name) {
        cursor.beginObject("entry");
        String dtypeName = null;
        List<Long> shape = null;
        List<Long> offsets = null;
        for (String field = cursor.nextField(); field != null; field = cursor.nextField()) {
            switch (field) {
                case "dtype" -> {
                    requireFirst(field, dtypeName);
                    dtypeName = cursor.string(field);
                }
                case "shape" -> {
                    requireFirst(field, shape);
                    shape = cursor.sizes(field, SafetensorsHeader.MAX_RANK);
                }
                case "data_offsets" -> {
                    requireFirst(field, offsets);
                    offsets = cursor.sizes(field, 2);
                }
                default -> throw cursor.refuse("has the unknown field " + CheckpointException.quote(field));
            }
        }
        if (dtypeName == null || shape == null || offsets == null || offsets.size() != 2) {
            throw cursor.refuse("needs a dtype, a shape and two data_offsets");
        }
        return checked(name, dtype(dtypeName), shape, offsets.getFirst(), offsets.getLast());
    }

    private void requireFirst(String field, @Nullable Object earlier) {
        if (earlier != null) {
            throw cursor.refuse("has the field " + field + " twice");
        }
    }

    private Dtype dtype(String name) {
        return Dtype.byName(name)
                .orElseThrow(() -> cursor.refuse("has the unknown dtype " + CheckpointException.quote(name)));
    }

    private TensorSpec checked(String name, Dtype dtype, List<Long> shape, long begin, long end) {
        long bytes = TensorSize.bytes(dtype, shape)
                .orElseThrow(() ->
                        cursor.refuse("of " + dtype + shape + " overflows 64 bits or is no whole number of bytes"));
        if (end < begin || end - begin != bytes) {
            throw cursor.refuse("of " + dtype + shape + " takes " + bytes + " bytes but its data_offsets are [" + begin
                    + ", " + end + "]");
        }
        if (end > file.bytes() - dataStart) {
            throw cursor.refuse("ends at byte "
                    + Long.toUnsignedString(dataStart + end) // at most 2^63 + 2^27: fits unsigned
                    + " but the file has " + file.bytes() + "; it may be truncated");
        }
        return new TensorSpec(name, dtype, shape, 0, dataStart + begin, dataStart + end);
    }

    private void requireExactCover() {
        tensors.sort(Comparator.comparingLong(TensorSpec::begin).thenComparingLong(TensorSpec::end));
        long covered = dataStart;
        for (TensorSpec tensor : tensors) {
            if (tensor.begin() < covered) {
                throw CheckpointException.ofTensor(
                        file.name(),
                        tensor.name(),
                        "begins at byte " + tensor.begin() + " inside another tensor, which ends at " + covered);
            }
            if (tensor.begin() > covered) {
                throw CheckpointException.ofTensor(
                        file.name(),
                        tensor.name(),
                        "begins at byte " + tensor.begin() + " but the bytes from " + covered + " belong to no tensor");
            }
            covered = tensor.end();
        }
        if (covered != file.bytes()) {
            throw new CheckpointException(
                    file.name(),
                    "the last tensor ends at byte " + covered + " but the file has " + file.bytes()
                            + "; the rest belongs to no tensor");
        }
    }
}
