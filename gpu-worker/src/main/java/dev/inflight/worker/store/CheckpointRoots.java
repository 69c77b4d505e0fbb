package dev.inflight.worker.store;

import dev.inflight.protocol.checkpoint.CheckpointException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** Directories that checkpoints may be read from, wherever links lead. Thread-safe. */
public final class CheckpointRoots {
    /** Everything that is a file, for a machine with one user. */
    public static final CheckpointRoots ANYWHERE = new CheckpointRoots(List.of(Path.of("/")));

    /** What lies there is no file on a disk, whatever its type says. */
    private static final List<Path> NEVER = List.of(Path.of("/proc"), Path.of("/sys"), Path.of("/dev"));

    private static final Path SHARED_MEMORY = Path.of("/dev/shm");

    private final List<Path> roots;

    /** @throws IllegalArgumentException if one is no absolute path */
    public CheckpointRoots(List<Path> roots) {
        for (Path root : roots) {
            if (!root.isAbsolute()) {
                throw new IllegalArgumentException("\"" + root + "\" is no absolute path");
            }
        }
        this.roots = roots.stream().map(Path::normalize).toList();
    }

    /**
     * Where a path leads, links resolved. A path that leads nowhere is judged by its text, so that the answer does not
     * tell what exists outside.
     *
     * @param named what the refusal begins with: the field or file that names the path
     * @throws CheckpointException naming the path if it leads out of the roots
     */
    Path require(String named, Path path) throws IOException {
        Path leads =
                Files.exists(path) ? path.toRealPath() : path.toAbsolutePath().normalize();
        if (isSpecial(leads) || !isInside(leads)) {
            throw new CheckpointException(
                    named,
                    path + " is outside of what this host reads checkpoints from (checkpoint-roots: " + roots + ")");
        }
        return leads;
    }

    private static boolean isSpecial(Path path) {
        return NEVER.stream().anyMatch(path::startsWith) && !path.startsWith(SHARED_MEMORY);
    }

    private boolean isInside(Path path) throws IOException {
        for (Path root : roots) {
            if (path.startsWith(root) || (Files.exists(root) && path.startsWith(root.toRealPath()))) {
                return true;
            }
        }
        return false;
    }
}
