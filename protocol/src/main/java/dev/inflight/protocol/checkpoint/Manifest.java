package dev.inflight.protocol.checkpoint;

import java.util.List;

/**
 * A checkpoint's layout with a digest of every tensor.
 *
 * @param layout files and tensors
 * @param digests digest of every tensor, in the layout's order
 */
public record Manifest(CheckpointLayout layout, List<TensorDigest> digests) {
    public Manifest {
        digests = List.copyOf(digests);
        if (digests.size() != layout.tensors().size()) {
            throw new IllegalArgumentException(
                    digests.size() + " digests for " + layout.tensors().size() + " tensors");
        }
    }

    /** The checkpoint's identity: SHA-256 of the canonical form, lower-case hex. Computed anew by every call. */
    public String digest() {
        return LayoutJson.sha256(json -> ManifestCodec.write(this, json));
    }
}
