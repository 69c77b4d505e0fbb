package dev.inflight.protocol.checkpoint;

import java.util.List;

/**
 * Everything the headers of a checkpoint say, before a tensor byte is read: files sorted by name, tensors sorted by
 * file, then by first byte, then by name. Equal checkpoints give equal layouts on every host.
 */
public record CheckpointLayout(List<SourceFile> files, List<TensorSpec> tensors) {
    public CheckpointLayout {
        files = List.copyOf(files);
        tensors = List.copyOf(tensors);
    }

    /** Sum of all tensors' sizes in bytes. */
    public long bytes() {
        return tensors.stream().mapToLong(TensorSpec::bytes).sum();
    }

    /** Size in bytes of the largest tensor, zero if there is none. */
    public long largestTensorBytes() {
        return tensors.stream().mapToLong(TensorSpec::bytes).max().orElse(0);
    }
}
