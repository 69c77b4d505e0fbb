package dev.inflight.worker.store;

import dev.inflight.protocol.checkpoint.CheckpointException;
import dev.inflight.protocol.checkpoint.CheckpointLayout;
import dev.inflight.protocol.checkpoint.TensorSpec;
import dev.inflight.protocol.plan.Slice;
import dev.inflight.worker.device.Pinning;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The open files of one checkpoint. All methods may be called from any thread; {@link #close} only when no other call
 * runs and no mapping is in use. Interrupting a thread inside {@link #read} closes the file for all.
 */
public final class CheckpointFiles implements TensorFiles {
    private final Path root;
    private final List<CheckpointFile> files;
    private final CheckpointLayout layout;
    private final boolean inPlace;
    private final Arena mappings = Arena.ofShared();
    private final Map<Integer, MemorySegment> mapped = new HashMap<>();
    private final Pinning pinning;
    private final List<Pinning.Pinned> pinned = new ArrayList<>();

    private CheckpointFiles(
            Path root, List<CheckpointFile> files, CheckpointLayout layout, boolean inPlace, Pinning pinning) {
        this.root = root;
        this.files = List.copyOf(files);
        this.layout = layout;
        this.inPlace = inPlace;
        this.pinning = pinning;
    }

    /** Opens a checkpoint wherever it is. */
    public static CheckpointFiles open(Path source) {
        return open(source, CheckpointRoots.ANYWHERE);
    }

    /**
     * Opens a checkpoint and checks all its headers, and its index if it has one.
     *
     * @param source a safetensors file; a directory with {@code model.safetensors.index.json}, or else with safetensors
     *     files, all of which are taken; or an index file
     * @param roots where the source and all its files must lie
     * @throws CheckpointNotFoundException if there is nothing at {@code source}
     * @throws CheckpointException if the files lie elsewhere, can not be read or break the format
     */
    public static CheckpointFiles open(Path source, CheckpointRoots roots) {
        return open(source, roots, Pinning.NONE);
    }

    /** @param pinning for files that are mapped */
    static CheckpointFiles open(Path source, CheckpointRoots roots, Pinning pinning) {
        List<CheckpointFile> files = new ArrayList<>();
        try {
            CheckpointSource resolved = CheckpointSource.resolve(source, roots);
            boolean inPlace = true;
            for (String name : resolved.files()) {
                CheckpointFile file = open(resolved.root(), name, roots);
                files.add(file);
                inPlace &= file.inSharedMemory();
            }
            CheckpointLayout layout = CheckpointLayout.of(
                    files.stream().map(CheckpointFile::header).toList());
            if (resolved.index() != null) {
                resolved.index().requireAgreement(layout);
            }
            return new CheckpointFiles(resolved.root(), files, layout, inPlace, pinning);
        } catch (IOException e) {
            closeAll(files);
            throw unreadable(source.toString(), e);
        } catch (RuntimeException e) {
            closeAll(files);
            throw e;
        }
    }

    private static CheckpointFile open(Path root, String name, CheckpointRoots roots) {
        try {
            return CheckpointFile.open(root, name, roots);
        } catch (IOException e) {
            throw unreadable(name, e);
        }
    }

    /** Directory that the files' names are relative to. */
    public Path root() {
        return root;
    }

    @Override
    public CheckpointLayout layout() {
        return layout;
    }

    @Override
    public boolean inPlace() {
        return inPlace;
    }

    @Override
    public void read(Slice slice, MemorySegment destination, long offset) {
        TensorSpec tensor = TensorFiles.tensor(layout, slice);
        CheckpointFile file = files.get(tensor.file());
        try {
            file.read(tensor.begin() + slice.begin(), destination.asSlice(offset, slice.bytes()));
        } catch (IOException e) {
            throw unreadable(file.name(), e);
        }
    }

    @Override
    public Path path(int file) {
        return root.resolve(layout.files().get(file).name());
    }

    @Override
    public MemorySegment map(int file) {
        synchronized (mapped) {
            return mapped.computeIfAbsent(file, this::mapNow);
        }
    }

    private MemorySegment mapNow(int file) {
        try {
            var memory = files.get(file).map(mappings);
            pinned.add(pinning.pin(memory));
            return memory;
        } catch (IOException e) {
            throw unreadable(files.get(file).name(), e);
        }
    }

    @Override
    public void close() {
        if (mappings.scope().isAlive()) {
            pinned.forEach(Pinning.Pinned::close);
            mappings.close();
        }
        closeAll(files);
    }

    private static void closeAll(List<CheckpointFile> files) {
        for (CheckpointFile file : files) {
            try {
                file.close();
            } catch (IOException nothingToLose) {
                // Nothing was written: a failing close changes nothing.
            }
        }
    }

    private static CheckpointException unreadable(String file, IOException e) {
        return new CheckpointException(file, "can not be read: " + e, e);
    }
}
