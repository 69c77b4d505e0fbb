package dev.inflight.worker.transport;

import dev.inflight.worker.ucx.UcxNode;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.Map;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Takes parts of shards from one host over a connection of its own: parts are asked for ahead ({@link #request}), then
 * read in the same order. Parts that lie in memory which both sides see are copied from there. For one thread;
 * only {@link #abandon} may come from another. Interrupting the thread ends its call, too. After a
 * {@link PeerException} the reader is of no more use.
 */
public final class PartReader implements AutoCloseable {
    private final FrameChannel channel;
    private final ChunkReader chunks;
    private final String host;
    private final String machine;
    private final Deque<PartKey> requested = new ArrayDeque<>();
    private final Arena mappings = Arena.ofShared();
    private final Map<String, MemorySegment> mapped = new HashMap<>();
    private boolean closed;

    private PartReader(FrameChannel channel, ChunkReader chunks, String host, String machine) {
        this.channel = channel;
        this.chunks = chunks;
        this.host = host;
        this.machine = machine;
    }

    /**
     * @param machine this process's {@link MachineIdentity}; empty if nothing is to be mapped
     * @param timeout longest silence of the peer
     * @param partTimeout longest time in which the peer is alive but nothing of what was asked for comes
     */
    public static PartReader connect(String endpoint, String machine, Duration timeout, Duration partTimeout)
            throws PeerException {
        return connect(endpoint, machine, null, timeout, partTimeout, SourcePace.NONE);
    }

    /**
     * Like the four-argument form, by UCX if the peer agrees, and with limits that the peer keeps to.
     *
     * @param ucx null to use TCP; parts that are mapped are mapped anyway
     */
    public static PartReader connect(
            String endpoint,
            String machine,
            @Nullable UcxNode ucx,
            Duration timeout,
            Duration partTimeout,
            SourcePace pace)
            throws PeerException {
        var connection = PeerConnection.connect(endpoint, timeout);
        var channel = connection.parts();
        boolean told = false;
        try {
            connection.keepTo(pace);
            told = true;
        } finally {
            if (!told) {
                channel.close();
            }
        }
        channel.limitWaits(partTimeout);
        var chunks = new ChunkReader(channel, timeout);
        if (ucx != null) {
            boolean asked = false;
            try {
                chunks.useUcx(ucx);
                asked = true;
            } finally {
                if (!asked) {
                    channel.close();
                }
            }
        }
        return new PartReader(channel, chunks, connection.host(), machine);
    }

    /** The name the peer gave itself. */
    public String host() {
        return host;
    }

    /** Asks for a part ahead of reading it. At most {@value PeerResponder#MAX_OUTSTANDING} may be outstanding. */
    public void request(PartKey part) throws PeerException {
        if (requested.size() == PeerResponder.MAX_OUTSTANDING) {
            throw new IllegalStateException(requested.size() + " parts are outstanding already");
        }
        channel.send(Op.PART, 0, Payload.partQuery(new Payload.PartQuery(part, machine)));
        requested.addLast(part);
    }

    /**
     * Waits for the part that was asked for first and fills {@code target} with it. The bytes are checked against what
     * was sent, not against what was published.
     *
     * @param target as long as the part, accessible from this thread
     * @param landed told how many more bytes are there
     * @return false if the peer does not have this part, and nothing was written; it may have others
     * @throws PeerException naming the part; what {@code target} holds then is undefined
     */
    public boolean read(MemorySegment target, LongConsumer landed) throws PeerException {
        var part = requested.removeFirst();
        boolean done = false;
        boolean given = true;
        try {
            Frame frame = channel.next();
            switch (frame.op()) {
                case PART_BYTES -> readChunks(part, frame, target, landed);
                case PART_AT -> copy(part, Payload.partAt(channel.readPayload(frame)), target, landed);
                case PART_ABSENT -> {
                    channel.readPayload(frame);
                    given = false;
                }
                case FAILED -> throw channel.failure(part + ": " + Payload.message(channel.readPayload(frame)), null);
                default -> throw channel.failure(part + ": got a " + frame.op() + " frame", null);
            }
            done = true;
            return given;
        } catch (MalformedPayloadException e) {
            throw channel.failure(part + ": its answer is malformed: " + e.getMessage(), e);
        } finally {
            if (!done) {
                channel.close();
            }
        }
    }

    private void readChunks(PartKey part, Frame frame, MemorySegment target, LongConsumer landed)
            throws PeerException, MalformedPayloadException {
        requireLength(part, Payload.length(channel.readPayload(frame)), target);
        chunks.read(part.toString(), target, landed);
    }

    private void copy(PartKey part, Payload.PartAt at, MemorySegment target, LongConsumer landed) throws PeerException {
        requireLength(part, at.bytes(), target);
        var file = map(part, at.file().path());
        long offset = at.file().offset();
        if (offset > file.byteSize() - at.bytes()) {
            throw channel.failure(
                    "%s: %s has %d bytes, too few for %d from byte %d"
                            .formatted(part, at.file().path(), file.byteSize(), at.bytes(), offset),
                    null);
        }
        try {
            for (long done = 0; done < at.bytes(); done += Op.CHUNK_BYTES) {
                if (Thread.currentThread().isInterrupted()) {
                    throw channel.failure(part + ": interrupted", null);
                }
                long length = Math.min(Op.CHUNK_BYTES, at.bytes() - done);
                MemorySegment.copy(file, offset + done, target, done, length);
                landed.accept(length);
            }
        } catch (InternalError e) {
            throw channel.failure(part + ": " + at.file().path() + " was cut while it was read", e);
        }
    }

    private void requireLength(PartKey part, long announced, MemorySegment target) throws PeerException {
        if (announced != target.byteSize()) {
            throw channel.failure(
                    part + ": it has " + announced + " bytes there, " + target.byteSize() + " here", null);
        }
    }

    private MemorySegment map(PartKey part, String path) throws PeerException {
        var known = mapped.get(path);
        if (known != null) {
            return known;
        }
        try (var file = FileChannel.open(Path.of(path), StandardOpenOption.READ)) {
            var memory = file.map(FileChannel.MapMode.READ_ONLY, 0, file.size(), mappings);
            mapped.put(path, memory);
            return memory;
        } catch (IOException | InvalidPathException e) {
            throw channel.failure(part + ": can not map " + path + ": " + e, e);
        }
    }

    /** Ends a call in progress; to be followed by {@link #close} on the reader's own thread. */
    public void abandon() {
        channel.close();
    }

    /** Only on the thread that reads. */
    @Override
    public void close() {
        channel.close();
        if (!closed) {
            closed = true;
            chunks.close();
            mappings.close();
        }
    }
}
