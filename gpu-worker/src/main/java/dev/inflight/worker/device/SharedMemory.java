package dev.inflight.worker.device;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
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
    private static final long PIECE_BYTES = 4 << 20;

    private final Path path;
    private final Arena arena;
    private final MemorySegment segment;
    private final Pinning.Pinned pinned;
    private final long touchNanos;

    private SharedMemory(Path path, Arena arena, MemorySegment segment, Pinning.Pinned pinned, long touchNanos) {
        this.path = path;
        this.arena = arena;
        this.segment = segment;
        this.pinned = pinned;
        this.touchNanos = touchNanos;
    }

    /**
     * Creates the file, readable and writable by this user only. Every page is touched: a full file
     * system is then an error here, and not one of whoever uses the memory later.
     *
     * @param bytes size, at least 1
     * @param pinning pins it for as long as it is open
     * @throws UncheckedIOException naming the file, the bytes asked for and the bytes free, if it can not be made
     */
    public static SharedMemory create(Path path, long bytes, Pinning pinning) {
        var arena = Arena.ofShared();
        long start = System.nanoTime();
        try {
            requireAvailable(path, bytes);
            var mode = PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"));
            var options = Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.READ, StandardOpenOption.WRITE);
            try (var channel = FileChannel.open(path, options, mode)) {
                var segment = channel.map(FileChannel.MapMode.READ_WRITE, 0, bytes, arena);
                allocatePages(segment);
                long touchNanos = System.nanoTime() - start;
                return new SharedMemory(path, arena, segment, pinning.pin(segment), touchNanos);
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
    private static void requireAvailable(Path path, long bytes) throws IOException {
        if (bytes > Files.getFileStore(path.toAbsolutePath().getParent()).getUsableSpace()) {
            throw new IOException("the file system has no room for it");
        }
        long available = MemInfo.availableBytes(MemInfo.FILE).orElse(Long.MAX_VALUE);
        if (bytes > available) {
            throw new IOException("the machine has " + available + " bytes of memory available");
        }
    }

    /**
     * Touches every page, by all cores, since each clears 0.2 to 1.3 GB/s. The file is only written through its mapping:
     * writes to one file wait for each other.
     */
    private static void allocatePages(MemorySegment segment) throws IOException {
        try {
            LongStream.range(0, Math.ceilDiv(segment.byteSize(), PIECE_BYTES))
                    .parallel()
                    .forEach(piece -> touch(segment, piece * PIECE_BYTES));
        } catch (InternalError e) {
            throw new IOException("the file system became full", e);
        }
    }

    private static void touch(MemorySegment segment, long begin) {
        segment.asSlice(begin, Math.min(PIECE_BYTES, segment.byteSize() - begin))
                .fill((byte) 0);
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

    /** Time it took to make every page present, in nanoseconds, without the time to pin them. */
    public long touchNanos() {
        return touchNanos;
    }

    @Override
    public void close() {
        pinned.close();
        arena.close();
        deleteQuietly(path);
    }
}
