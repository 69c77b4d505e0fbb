package dev.inflight.worker.device;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;
import java.util.stream.LongStream;

/**
 * A POSIX shared-memory file with every page allocated, mapped read-write. First touch of fresh shared memory is the
 * slowest step there is, so it happens here, once, and callers keep the object for reuse. Thread-safe; closing it
 * unmaps and deletes the file.
 */
public final class SharedMemory implements AutoCloseable {
    private static final int FILL_BYTES = 1 << 20;
    private static final byte[] ZEROS = new byte[FILL_BYTES];
    private static final Path MEMINFO = Path.of("/proc/meminfo");

    private final Path path;
    private final Arena arena;
    private final MemorySegment segment;
    private final Pinning.Pinned pinned;

    private SharedMemory(Path path, Arena arena, MemorySegment segment, Pinning.Pinned pinned) {
        this.path = path;
        this.arena = arena;
        this.segment = segment;
        this.pinned = pinned;
    }

    /**
     * Creates the file, readable and writable by this user only. Pages are allocated by writing, not by touching the
     * mapping: a full file system is then an error here and not a SIGBUS later.
     *
     * @param bytes size, at least 1
     * @param pinning pins it for as long as it is open
     * @throws UncheckedIOException naming the file, the bytes asked for and the bytes free, if it can not be made
     */
    public static SharedMemory create(Path path, long bytes, Pinning pinning) {
        var arena = Arena.ofShared();
        try {
            requireAvailable(bytes);
            var mode = PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"));
            var options = Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.READ, StandardOpenOption.WRITE);
            try (var channel = FileChannel.open(path, options, mode)) {
                allocatePages(channel, bytes);
                var segment = channel.map(FileChannel.MapMode.READ_WRITE, 0, bytes, arena);
                return new SharedMemory(path, arena, segment, pinning.pin(segment));
            }
        } catch (IOException e) {
            arena.close();
            var message = path + ": can not allocate " + bytes + " bytes of shared memory (" + freeSpace(path)
                    + " bytes free): " + e.getMessage();
            deleteQuietly(path);
            throw new UncheckedIOException(message, e);
        } catch (RuntimeException e) {
            arena.close();
            deleteQuietly(path);
            throw e;
        }
    }

    /** A tmpfs may be as large as the machine's memory: filling it would end in a killed process, not in an error. */
    private static void requireAvailable(long bytes) throws IOException {
        long available = availableMemory();
        if (available >= 0 && bytes > available) {
            throw new IOException("the machine has " + available + " bytes of memory available");
        }
    }

    /** What the kernel says can be allocated without swapping, -1 if it does not say. */
    private static long availableMemory() throws IOException {
        if (!Files.isReadable(MEMINFO)) {
            return -1;
        }
        for (var line : Files.readAllLines(MEMINFO)) {
            if (line.startsWith("MemAvailable:")) {
                return Long.parseLong(line.replaceAll("[^0-9]", "")) * 1024;
            }
        }
        return -1;
    }

    /** By all cores: the kernel clears every page, at 0.2 to 1.3 GB/s each. */
    private static void allocatePages(FileChannel channel, long bytes) throws IOException {
        try {
            LongStream.range(0, Math.ceilDiv(bytes, (long) FILL_BYTES))
                    .parallel()
                    .forEach(piece -> fill(channel, piece * FILL_BYTES, bytes));
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
    }

    private static void fill(FileChannel channel, long begin, long bytes) {
        try {
            var zeros = ByteBuffer.wrap(ZEROS, 0, (int) Math.min(FILL_BYTES, bytes - begin));
            while (zeros.hasRemaining()) {
                channel.write(zeros, begin + zeros.position());
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static long freeSpace(Path path) {
        try {
            FileStore store = Files.getFileStore(path.toAbsolutePath().getParent());
            return store.getUsableSpace();
        } catch (IOException e) {
            return -1;
        }
    }

    private static void deleteQuietly(Path path) {
        try {
            Files.deleteIfExists(path);
        } catch (IOException e) {
            // The file system that refused to allocate also refuses to delete; the first error is the one to report.
        }
    }

    public Path path() {
        return path;
    }

    /** The whole mapping; valid until {@link #close()}. */
    public MemorySegment segment() {
        return segment;
    }

    public long bytes() {
        return segment.byteSize();
    }

    @Override
    public void close() {
        pinned.close();
        arena.close();
        deleteQuietly(path);
    }
}
