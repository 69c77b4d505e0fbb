package dev.inflight.cli.model;

import dev.inflight.protocol.checkpoint.CheckpointLayout;
import dev.inflight.protocol.checkpoint.SourceFile;
import dev.inflight.protocol.checkpoint.TensorSpec;
import java.util.ArrayList;
import java.util.List;

/** How a checkpoint's tensors are spread over files, with the names that published checkpoints use. */
public final class FilePartition {
    /** A file takes no tensor more once it has this many bytes with it; a larger tensor has a file of its own. */
    static final long MAX_FILE_BYTES = 5L << 30;

    private FilePartition() {}

    /** One file and its tensors in order. */
    record Part(String file, List<ModelTensor> tensors) {}

    /**
     * Layout of a checkpoint of these tensors as far as planning needs it: offsets count from the first tensor byte of
     * each file, since the header's length does not matter there.
     */
    public static CheckpointLayout layout(List<ModelTensor> tensors) {
        List<SourceFile> files = new ArrayList<>();
        List<TensorSpec> specs = new ArrayList<>(tensors.size());
        for (Part part : of(tensors)) {
            long end = 0;
            for (ModelTensor tensor : part.tensors()) {
                long begin = end;
                end += tensor.bytes();
                specs.add(new TensorSpec(tensor.name(), tensor.dtype(), tensor.shape(), files.size(), begin, end));
            }
            files.add(new SourceFile(part.file(), end));
        }
        return new CheckpointLayout(files, specs);
    }

    static List<Part> of(List<ModelTensor> tensors) {
        List<List<ModelTensor>> contents = new ArrayList<>();
        long bytes = Long.MAX_VALUE / 2;
        for (ModelTensor tensor : tensors) {
            if (bytes + tensor.bytes() > MAX_FILE_BYTES) {
                contents.add(new ArrayList<>());
                bytes = 0;
            }
            contents.getLast().add(tensor);
            bytes += tensor.bytes();
        }
        List<Part> parts = new ArrayList<>();
        for (List<ModelTensor> content : contents) {
            String file = contents.size() == 1
                    ? "model.safetensors"
                    : "model-%05d-of-%05d.safetensors".formatted(parts.size() + 1, contents.size());
            parts.add(new Part(file, content));
        }
        return parts;
    }
}
