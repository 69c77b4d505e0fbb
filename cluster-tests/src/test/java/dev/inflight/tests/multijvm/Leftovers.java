package dev.inflight.tests.multijvm;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What a run has left on the machine. Nodes that were killed can not remove their own files. */
public final class Leftovers {
    private static final Path SHARED_MEMORY = Path.of("/dev/shm");

    /** {@code inflight-<node>-<pid>-<purpose>-<n>}, where the node's name begins with the run's. */
    private static final Pattern OF_A_RUN = Pattern.compile("inflight-inflight-test-.*?-(\\d+)-[a-z]+-\\d+");

    private Leftovers() {}

    /** Asserts that only processes that were killed left shared memory behind. */
    static void requireOnlyOf(List<Long> killed, Path shared) throws IOException {
        for (Path file : of(shared)) {
            String name = file.getFileName().toString();
            if (killed.stream().noneMatch(pid -> name.contains("-" + pid + "-"))) {
                throw new AssertionError(file + " was left behind by a process that ended in order");
            }
        }
    }

    /** Removes shared memory of earlier runs' processes that are dead: whoever started them may have been killed too. */
    public static void sweep() throws IOException {
        try (var files = Files.newDirectoryStream(SHARED_MEMORY, "inflight-inflight-test-*")) {
            for (Path file : files) {
                Matcher name = OF_A_RUN.matcher(file.getFileName().toString());
                if (name.matches()
                        && ProcessHandle.of(Long.parseLong(name.group(1))).isEmpty()) {
                    removeTree(file);
                }
            }
        }
    }

    /** Keeps the logs and removes everything else that carries the run's name. */
    public static void remove(Path shared, Path logs) throws IOException {
        try (var files = Files.newDirectoryStream(shared, "*.log")) {
            for (Path log : files) {
                Files.copy(log, logs.resolve(log.getFileName()), StandardCopyOption.REPLACE_EXISTING);
            }
        }
        removeTree(shared);
        of(shared).forEach(Leftovers::removeTree);
    }

    /** What carries the run's name in shared memory. */
    private static List<Path> of(Path shared) throws IOException {
        String run = shared.getFileName().toString();
        List<Path> found = new ArrayList<>();
        try (var files = Files.newDirectoryStream(SHARED_MEMORY, "*" + run + "*")) {
            files.forEach(found::add);
        }
        return found;
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
