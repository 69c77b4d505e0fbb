package dev.inflight.cli.demo;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.HexFormat;
import java.util.concurrent.ThreadLocalRandom;
import org.jspecify.annotations.Nullable;

/**
 * The private directory of one run of a fleet: sockets, announcements, logs. Everything of the run, also in shared
 * memory, carries the run's id in its name, so that closing the run, or the next run if this one is killed, can remove
 * it. A lock held for the run's life tells an abandoned run from a living one, also across PID namespaces.
 */
public final class RunDirectory implements AutoCloseable {
    private static final String PREFIX = "inflight-run-";
    private static final Path TEMPORARY = Path.of("/tmp");
    private static final Path SHARED_MEMORY = Path.of("/dev/shm");

    private final String id;
    private final Path path;
    private final FileChannel lockFile;
    private boolean keepLogs;
    private boolean closed;

    private RunDirectory(String id, Path path, FileChannel lockFile) {
        this.id = id;
        this.path = path;
        this.lockFile = lockFile;
    }

    /** Removes what killed runs left behind and makes a fresh directory, readable by this user only. */
    public static RunDirectory create() {
        removeAbandoned();
        return createAnother();
    }

    /**
     * Makes another directory for this process and removes nothing: looking at the locks of the process's other runs
     * would release them, since closing a file releases all locks that a process has on it.
     */
    static RunDirectory createAnother() {
        byte[] random = new byte[4];
        ThreadLocalRandom.current().nextBytes(random);
        String id = "run-" + HexFormat.of().formatHex(random);
        try {
            // Under /tmp itself: a longer path would not fit the 108 bytes of a Unix socket's address.
            Path path = Files.createDirectory(
                    TEMPORARY.resolve("inflight-" + id),
                    PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
            FileChannel lockFile =
                    FileChannel.open(path.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
            lockFile.lock();
            Files.createDirectory(path.resolve("logs"));
            return new RunDirectory(id, path, lockFile);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot make a run directory in /tmp: " + e.getMessage(), e);
        }
    }

    /** Unique among the runs of this machine. */
    public String id() {
        return id;
    }

    public Path path() {
        return path;
    }

    public Path log(String process) {
        return path.resolve("logs").resolve(process + ".log");
    }

    /** A directory for {@code bytes} of this run's checkpoints. */
    public Path checkpoints(long bytes, CheckpointPlace place) throws IOException {
        boolean fits = place == CheckpointPlace.SHM
                && Files.isDirectory(SHARED_MEMORY)
                && Files.getFileStore(SHARED_MEMORY).getUsableSpace() > bytes;
        Path directory = fits ? SHARED_MEMORY.resolve(sharedPrefix(id) + "checkpoints") : path.resolve("checkpoints");
        return Files.createDirectories(directory);
    }

    /** After a failure: closing moves the logs aside instead of removing them, and this is where to. */
    public synchronized Path keepLogs() {
        keepLogs = true;
        return keptLogs();
    }

    /** Removes the run's files; the run's processes must have ended. */
    @Override
    public synchronized void close() {
        if (closed) {
            return;
        }
        closed = true;
        if (keepLogs) {
            try {
                Files.move(path.resolve("logs"), keptLogs());
            } catch (IOException e) {
                System.err.println("cannot keep the logs in " + keptLogs() + ": " + e.getMessage());
            }
        }
        remove(id, path);
        try {
            lockFile.close();
        } catch (IOException e) {
            throw new UncheckedIOException("cannot release " + path.resolve("lock"), e);
        }
    }

    private Path keptLogs() {
        return TEMPORARY.resolve("inflight-logs-" + id);
    }

    private static String sharedPrefix(String id) {
        return "inflight-" + id + "-";
    }

    private static void removeAbandoned() {
        try (DirectoryStream<Path> runs = Files.newDirectoryStream(TEMPORARY, PREFIX + "*")) {
            for (Path run : runs) {
                if (abandoned(run)) {
                    remove(run.getFileName().toString().substring("inflight-".length()), run);
                }
            }
        } catch (IOException e) {
            // Other users' runs and races with another sweep are no reason not to start.
        }
    }

    private static boolean abandoned(Path run) {
        try (FileChannel file = FileChannel.open(run.resolve("lock"), StandardOpenOption.WRITE);
                @Nullable FileLock lock = file.tryLock()) {
            return lock != null;
        } catch (IOException | OverlappingFileLockException e) {
            return false;
        }
    }

    private static void remove(String id, Path directory) {
        try (DirectoryStream<Path> shared = Files.newDirectoryStream(SHARED_MEMORY, sharedPrefix(id) + "*")) {
            for (Path file : shared) {
                removeTree(file);
            }
        } catch (IOException e) {
            System.err.println("cannot remove " + SHARED_MEMORY + "/" + sharedPrefix(id) + "*: " + e.getMessage());
        }
        try {
            removeTree(directory);
        } catch (IOException e) {
            System.err.println("cannot remove " + directory + ": " + e.getMessage());
        }
    }

    private static void removeTree(Path root) throws IOException {
        Files.walkFileTree(root, new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                Files.deleteIfExists(file);
                return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult postVisitDirectory(Path directory, @Nullable IOException error) throws IOException {
                Files.deleteIfExists(directory);
                return FileVisitResult.CONTINUE;
            }
        });
    }
}
