package dev.inflight.worker.store;

import dev.inflight.protocol.checkpoint.CheckpointException;
import dev.inflight.protocol.checkpoint.SafetensorsHeader;
import java.io.EOFException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** One open safetensors file. Thread-safe. */
final class CheckpointFile implements AutoCloseable {
    private static final Path SHM = Path.of("/dev/shm");

    // One system call moves at most 2 GiB less a page; stay well below.
    private static final long LARGEST_READ = 1L << 30;

    private final Path path;
    private final FileChannel channel;
    private final SafetensorsHeader header;

    private CheckpointFile(Path path, FileChannel channel, SafetensorsHeader header) {
        this.path = path;
        this.channel = channel;
        this.header = header;
    }

    static CheckpointFile open(Path root, String name, CheckpointRoots roots) throws IOException {
        Path path = roots.require(name, root.resolve(name));
        if (!Files.isRegularFile(path)) {
            throw new CheckpointException(name, "is not a regular file");
        }
        FileChannel channel = FileChannel.open(path, StandardOpenOption.READ, LinkOption.NOFOLLOW_LINKS);
        try {
            return new CheckpointFile(path, channel, readHeader(name, channel));
        } catch (IOException | RuntimeException e) {
            channel.close();
            throw e;
        }
    }

    private static SafetensorsHeader readHeader(String name, FileChannel channel) throws IOException {
        long fileBytes = channel.size();
        byte[] prefix = new byte[(int) Math.min(SafetensorsHeader.PREFIX_BYTES, fileBytes)];
        readFully(channel, MemorySegment.ofArray(prefix), 0);
        byte[] json = new byte[SafetensorsHeader.jsonBytes(name, fileBytes, prefix)];
        readFully(channel, MemorySegment.ofArray(json), SafetensorsHeader.PREFIX_BYTES);
        return SafetensorsHeader.parse(name, fileBytes, json);
    }

    SafetensorsHeader header() {
        return header;
    }

    String name() {
        return header.file().name();
    }

    /** Fills {@code destination} from {@code position}. */
    void read(long position, MemorySegment destination) throws IOException {
        readFully(channel, destination, position);
    }

    MemorySegment map(Arena arena) throws IOException {
        long bytes = header.file().bytes();
        if (channel.size() < bytes) {
            throw new EOFException("the file became shorter than " + bytes + " bytes");
        }
        return channel.map(FileChannel.MapMode.READ_ONLY, 0, bytes, arena);
    }

    /** Whether its bytes are in shared memory already. */
    boolean inSharedMemory() throws IOException {
        Path real = path.toRealPath();
        return real.startsWith(SHM) && Files.getFileStore(real).type().equals("tmpfs");
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }

    private static void readFully(FileChannel channel, MemorySegment destination, long position) throws IOException {
        long done = 0;
        while (done < destination.byteSize()) {
            long length = Math.min(LARGEST_READ, destination.byteSize() - done);
            ByteBuffer part = destination.asSlice(done, length).asByteBuffer();
            while (part.hasRemaining()) {
                if (channel.read(part, position + done + part.position()) < 0) {
                    throw new EOFException("the file ends before byte " + (position + destination.byteSize())
                            + "; it changed since it was opened");
                }
            }
            done += length;
        }
    }
}
