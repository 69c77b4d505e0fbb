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
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;
import java.util.stream.LongStream;

/**
 * A POSIX shared-memory file, mapped read-write, with every page allocated or to be allocated before it is used. First
 * touch of fresh shared memory is the slowest step there is, so it happens here, once, and callers keep the object for
 * reuse. Its pages are huge ones where the file system has some ({@link HugePages}). Thread-safe; closing it unmaps and
 * deletes the file.
 */
public final class SharedMemory implements AutoCloseable {
    private static final long PIECE_BYTES = 4 << 20;

    private final Path path;
    private final Arena arena;
    private final MemorySegment segment;
    private final LongAdder touchNanos = new LongAdder();

    /** Pieces of which every page is there. */
    private final ConcurrentHashMap<Long, Boolean> touched = new ConcurrentHashMap<>();

    private Pinning.Pinned pinned = () -> {};

    private SharedMemory(Path path, Arena arena, MemorySegment segment) {
        this.path = path;
        this.arena = arena;
        this.segment = segment;
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
        var made = createUntouched(path, bytes, bytes);
        try {
            made.touchAll();
            made.pinned = pinning.pin(made.segment);
            return made;
        } catch (RuntimeException e) {
            made.close();
            throw e;
        }
    }

    /**
     * Creates the file without allocating its pages: {@link #touch} is to be called for what is used, before it is.
     *
     * @param wanted bytes that are to have room: those of it that will be used, and of other files that were created
     *     like this
     * @throws UncheckedIOException as {@link #create}; what others use afterwards may still make {@link #touch} fail
     */
    public static SharedMemory createUntouched(Path path, long bytes, long wanted) {
        var arena = Arena.ofShared();
        try {
            requireAvailable(path, wanted);
            var mode = PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"));
            var options = Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.READ, StandardOpenOption.WRITE);
            try (var channel = FileChannel.open(path, options, mode)) {
                var mapping = channel.map(FileChannel.MapMode.READ_WRITE, 0, bytes, arena);
                HugePages.ask(mapping);
                return new SharedMemory(path, arena, mapping);
            }
        } catch (IOException e) {
            arena.close();
            var failure = failure(path, bytes, e);
            deleteQuietly(path);
            throw failure;
        } catch (RuntimeException e) {
            arena.close();
            deleteQuietly(path);
            throw e;
        }
    }

    /**
     * Checks that memory can be touched which was created without it.
     *
     * @throws UncheckedIOException naming the bytes wanted and the bytes free, if it can not
     */
    public static void requireRoom(Path path, long bytes) {
        try {
            requireAvailable(path, bytes);
        } catch (IOException e) {
            throw failure(path, bytes, e);
        }
    }

    private static UncheckedIOException failure(Path path, long bytes, IOException e) {
        return new UncheckedIOException(
                path + ": can not allocate " + bytes + " bytes of shared memory (" + freeSpace(path) + " bytes free): "
                        + e.getMessage(),
                e);
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
    private void touchAll() {
        long start = System.nanoTime();
        touch(LongStream.range(0, pieces()).parallel());
        touchNanos.add(System.nanoTime() - start);
    }

    /**
     * Allocates the pages of a range, and some around it, that are not there yet. May be called by several threads at a
     * time; a piece is cleared once only, before any call for it returns.
     *
     * @throws UncheckedIOException with the numbers, if the memory can not be had any more
     */
    public void touch(long offset, long bytes) {
        if (bytes > 0) {
            touch(LongStream.rangeClosed(offset / PIECE_BYTES, (offset + bytes - 1) / PIECE_BYTES));
        }
    }

    private void touch(LongStream wanted) {
        try {
            wanted.forEach(piece -> touched.computeIfAbsent(piece, this::touchPiece));
        } catch (InternalError e) {
            throw failure(path, bytes(), new IOException("the file system became full", e));
        }
    }

    private boolean touchPiece(long piece) {
        long begin = piece * PIECE_BYTES;
        segment.asSlice(begin, Math.min(PIECE_BYTES, segment.byteSize() - begin))
                .fill((byte) 0);
        return true;
    }

    private long pieces() {
        return Math.ceilDiv(segment.byteSize(), PIECE_BYTES);
    }

    /** Whether every page is there. */
    public boolean isTouched() {
        return touched.mappingCount() == pieces();
    }

    /** How much is there of it. */
    public long touchedBytes() {
        return Math.min(bytes(), touched.mappingCount() * PIECE_BYTES);
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

    /** Time it took to make every page present when it was created, in nanoseconds, without the time to pin them. */
    public long touchNanos() {
        return touchNanos.sum();
    }

    @Override
    public void close() {
        pinned.close();
        arena.close();
        deleteQuietly(path);
    }
}
