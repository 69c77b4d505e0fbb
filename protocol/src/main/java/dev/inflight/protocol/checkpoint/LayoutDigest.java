package dev.inflight.protocol.checkpoint;

/** Identifies a layout before a tensor byte was read. */
public final class LayoutDigest {
    private LayoutDigest() {}

    /** SHA-256 of the layout's canonical JSON, lower-case hex; equal on hosts whose files have equal headers. */
    public static String of(CheckpointLayout layout) {
        return LayoutJson.sha256(json -> {
            json.writeStringField("format", "inflight-layout-1");
            LayoutJson.writeLayout(layout, null, json);
        });
    }
}
