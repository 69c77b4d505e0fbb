package dev.inflight.protocol.checkpoint;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Everything the headers of a checkpoint say, before a tensor byte is read: files sorted by name, tensors sorted by
 * file, then by first byte, then by name. Equal checkpoints give equal layouts on every host.
 */
public record CheckpointLayout(List<SourceFile> files, List<TensorSpec> tensors) {
    static final Comparator<TensorSpec> ORDER = Comparator.comparingInt(TensorSpec::file)
            .thenComparingLong(TensorSpec::begin)
            .thenComparing(TensorSpec::name);

    public CheckpointLayout {
        files = List.copyOf(files);
        tensors = List.copyOf(tensors);
    }

    /**
     * Joins the headers of a checkpoint's files, in any order.
     *
     * @throws CheckpointException if a tensor or a file appears twice
     */
    public static CheckpointLayout of(List<SafetensorsHeader> headers) {
        List<SafetensorsHeader> sorted = headers.stream()
                .sorted(Comparator.comparing(header -> header.file().name()))
                .toList();
        List<SourceFile> files = sorted.stream().map(SafetensorsHeader::file).toList();
        List<TensorSpec> tensors = new ArrayList<>();
        Map<String, Integer> fileOf = new HashMap<>();
        for (int file = 0; file < files.size(); file++) {
            for (TensorSpec tensor : sorted.get(file).tensors()) {
                Integer earlier = fileOf.putIfAbsent(tensor.name(), file);
                if (earlier != null) {
                    throw CheckpointException.ofTensor(
                            files.get(file).name(),
                            tensor.name(),
                            "is also in " + files.get(earlier).name());
                }
                tensors.add(tensor.inFile(file));
            }
        }
        return new CheckpointLayout(files, tensors);
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
