package dev.inflight.worker.store;

import dev.inflight.protocol.checkpoint.CheckpointException;
import dev.inflight.protocol.checkpoint.SafetensorsHeader;
import dev.inflight.protocol.checkpoint.SafetensorsIndex;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Which files a source path stands for.
 *
 * @param root directory the files' names are relative to
 * @param files names of the safetensors files, sorted
 * @param index the index, if the source has one
 */
record CheckpointSource(
        Path root, List<String> files, @Nullable SafetensorsIndex index) {
    private static final String EXTENSION = ".safetensors";

    /** @throws CheckpointException also if the source, or the index, leads out of the roots */
    static CheckpointSource resolve(Path source, CheckpointRoots roots) throws IOException {
        roots.require("source", source);
        if (Files.notExists(source)) {
            throw new CheckpointNotFoundException(source);
        }
        Path absolute = source.toAbsolutePath();
        if (Files.isDirectory(absolute)) {
            Path index = absolute.resolve(SafetensorsIndex.FILE_NAME);
            return Files.exists(index) ? indexed(absolute, SafetensorsIndex.FILE_NAME, roots) : listed(absolute);
        }
        Path directory = absolute.getParent();
        if (directory == null || !Files.isRegularFile(absolute)) {
            throw new CheckpointException(source.toString(), "is neither a regular file nor a directory");
        }
        String name = String.valueOf(absolute.getFileName());
        return name.endsWith(".json")
                ? indexed(directory, name, roots)
                : new CheckpointSource(directory, List.of(name), null);
    }

    private static CheckpointSource listed(Path directory) throws IOException {
        try (Stream<Path> entries = Files.list(directory)) {
            List<String> files = entries.map(entry -> String.valueOf(entry.getFileName()))
                    .filter(name -> name.endsWith(EXTENSION))
                    .sorted()
                    .toList();
            if (files.isEmpty()) {
                throw new CheckpointException(
                        directory.toString(), "holds no " + EXTENSION + " file and no " + SafetensorsIndex.FILE_NAME);
            }
            return new CheckpointSource(directory, files, null);
        }
    }

    private static CheckpointSource indexed(Path directory, String name, CheckpointRoots roots) throws IOException {
        Path file = roots.require(name, directory.resolve(name));
        if (!Files.isRegularFile(file)) {
            throw new CheckpointException(name, "is not a regular file");
        }
        long bytes = Files.size(file);
        if (bytes > SafetensorsHeader.MAX_JSON_BYTES) {
            throw new CheckpointException(
                    name, "index of " + bytes + " bytes is over the limit of " + SafetensorsHeader.MAX_JSON_BYTES);
        }
        SafetensorsIndex index = SafetensorsIndex.parse(name, Files.readAllBytes(file));
        for (String entry : index.files()) {
            requireInside(directory, name, entry);
        }
        return new CheckpointSource(directory, index.files(), index);
    }

    /**
     * An index comes with the weights, so it must not reach files its directory does not hold. Links in the directory
     * are the host's own, and followed as far as the roots allow: a Hugging Face cache is made of them.
     */
    private static void requireInside(Path directory, String index, String entry) {
        String quoted = CheckpointException.quote(entry);
        Path file;
        try {
            file = Path.of(entry);
        } catch (InvalidPathException e) {
            throw new CheckpointException(index, "names " + quoted + ", which is no path", e);
        }
        if (file.isAbsolute() || !file.normalize().equals(file) || file.startsWith("..") || entry.isEmpty()) {
            throw new CheckpointException(
                    index, "names " + quoted + "; only plain paths inside its directory are allowed");
        }
        Path resolved = directory.resolve(file);
        if (!Files.exists(resolved)) {
            throw new CheckpointException(index, "names " + quoted + ", which does not exist");
        }
    }
}
