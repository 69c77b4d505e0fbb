package dev.inflight.tests.multijvm;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Comparator;
import java.util.List;

/** What a run has left on the machine. Nodes that were killed can not remove their own files. */
final class Leftovers {
    private static final Path SHARED_MEMORY = Path.of("/dev/shm");

    private Leftovers() {}

    /** Asserts that only processes that were killed left shared memory behind. */
    static void requireOnlyOf(List<Long> killed, Path shared) throws IOException {
        try (var files = Files.newDirectoryStream(SHARED_MEMORY, "*" + shared.getFileName() + "*")) {
            for (Path file : files) {
                String name = file.getFileName().toString();
                if (killed.stream().noneMatch(pid -> name.contains("-" + pid + "-"))) {
                    throw new AssertionError(file + " was left behind by a process that ended in order");
                }
            }
        }
    }

    /** Keeps the logs and removes everything else that carries the run's name. */
    static void remove(Path shared, Path logs) throws IOException {
        try (var files = Files.newDirectoryStream(shared, "*.log")) {
            for (Path log : files) {
                Files.copy(log, logs.resolve(log.getFileName()), StandardCopyOption.REPLACE_EXISTING);
            }
        }
        removeTree(shared);
        try (var files = Files.newDirectoryStream(SHARED_MEMORY, "*" + shared.getFileName() + "*")) {
            files.forEach(Leftovers::removeTree);
        }
    }

    private static void removeTree(Path root) {
        try (var tree = Files.walk(root)) {
            List<Path> deepestFirst = tree.sorted(Comparator.reverseOrder()).toList();
            for (Path path : deepestFirst) {
                Files.deleteIfExists(path);
            }
        } catch (IOException e) {
            throw new UncheckedIOException("cannot remove " + root, e);
        }
    }
}
