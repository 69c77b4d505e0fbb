package dev.inflight.worker.transport;

import dev.inflight.protocol.link.EngineShare;
import dev.inflight.worker.nccl.NcclId;
import dev.inflight.worker.nccl.RankArrival;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * The client's side of a connection to a {@link PeerServer}. Calls are made one at a time (others wait), block the
 * caller, and fail when the peer was silent for the connection's timeout. {@link #close} may come from any thread and
 * ends a call in progress, as does interrupting its thread.
 *
 * <p>A connection is for documents or, once {@link #openTransfer} was called, for that one transfer.
 */
public final class PeerConnection implements AutoCloseable {
    /** Refuses to take more than this as a document, whatever the peer announces. */
    private static final int MAX_DOCUMENT_BYTES = 1 << 30;

    private final FrameChannel channel;
    private final String host;
    private final Duration timeout;
    private final ReentrantLock call = new ReentrantLock();
    private @Nullable PeerTransfer transfer;

    private PeerConnection(FrameChannel channel, String host, Duration timeout) {
        this.channel = channel;
        this.host = host;
        this.timeout = timeout;
    }

    /**
     * Connects and exchanges greetings.
     *
     * @param endpoint the server's {@link PeerServer#endpoint()}
     * @param timeout bounds connecting, and from then on every silence of the peer; a peer that is alive is never silent
     *     for a quarter of it. From 4 ms upwards; a fired timeout is noticed within 1.25 times its length
     * @throws PeerException naming the endpoint, if it cannot be reached or does not answer as a peer
     */
    public static PeerConnection connect(String endpoint, Duration timeout) throws PeerException {
        int timeoutMs = Math.toIntExact(timeout.toMillis());
        if (timeoutMs <= 0) {
            throw new IllegalArgumentException("timeout " + timeout + " must be at least a millisecond");
        }
        InetSocketAddress address = Endpoint.parse(endpoint);
        SocketChannel socket = null;
        try {
            socket = SocketChannel.open();
            socket.socket().connect(address, timeoutMs);
            FrameChannel channel = new FrameChannel(socket, endpoint, timeout);
            try {
                return new PeerConnection(channel, channel.greet(""), timeout);
            } catch (PeerException e) {
                channel.close();
                throw e;
            }
        } catch (PeerException e) {
            throw e;
        } catch (IOException e) {
            closeQuietly(socket);
            throw new PeerException("peer " + endpoint + ": cannot connect: " + e, e);
        }
    }

    /** The name the server's host gave itself. */
    public String host() {
        return host;
    }

    /**
     * The encoded block sums of one shard, as the peer's {@link PeerService#blockSums} gives them.
     *
     * @throws PeerException if the peer has none or the connection broke
     */
    public byte[] blockSums(String publishId, int shard) throws PeerException {
        return document(
                Op.BLOCK_SUMS,
                Payload.blockSumsQuery(publishId, shard),
                "block sums of " + publishId + " shard " + shard);
    }

    /**
     * The manifest with this digest, as the peer's {@link PeerService#manifest} gives it; the caller checks the digest.
     *
     * @throws PeerException if the peer does not have it or the connection broke
     */
    public byte[] manifest(String digest) throws PeerException {
        return document(Op.MANIFEST, Payload.manifestQuery(digest), "manifest " + digest);
    }

    /**
     * Digests of what an engine holds of each block of one shard, as the peer's {@link PeerService#sliceDigests} gives
     * them. The peer computes them first.
     *
     * @throws PeerException if the peer does not hold the shard or the connection broke
     */
    public byte[] sliceDigests(String checkpoint, EngineShare share, int shard) throws PeerException {
        return document(
                Op.SLICE_DIGESTS,
                Payload.sliceDigestsQuery(new Payload.SliceDigestsQuery(checkpoint, share, shard)),
                "slice digests of " + checkpoint + " shard " + shard);
    }

    /**
     * Comes to the rendezvous of a group on the peer's host, and waits there until all have come; see
     * {@link dev.inflight.worker.nccl.Rendezvous}.
     *
     * @return the id of the group's communicator
     * @throws PeerException if the group does not come together or the connection broke
     */
    public NcclId meet(RankArrival arrival) throws PeerException {
        String what = "meeting the ranks of epoch " + arrival.epoch();
        call.lock();
        try {
            requireDocuments();
            channel.send(Op.MEET, 0, Payload.arrival(arrival));
            Frame frame = expect(Op.GROUP, what);
            return Payload.group(channel.readPayload(frame));
        } catch (MalformedPayloadException e) {
            channel.close();
            throw channel.failure(what + ": its answer is malformed: " + e.getMessage(), e);
        } finally {
            call.unlock();
        }
    }

    /**
     * Opens the transfer this connection then belongs to; closing either closes both.
     *
     * @param machine this process's {@link MachineIdentity}
     * @throws PeerException if the peer refuses or the connection broke
     * @throws IllegalStateException if a transfer was opened before
     */
    public PeerTransfer openTransfer(TransferKey key, String machine) throws PeerException {
        call.lock();
        try {
            requireDocuments();
            channel.send(Op.OPEN, 0, Payload.key(key));
            Frame frame = expect(Op.OFFER, "opening " + key);
            TransferOffer offer = Payload.offer(channel.readPayload(frame));
            PeerTransfer opened = new PeerTransfer(channel, offer, machine, timeout);
            transfer = opened;
            return opened;
        } catch (MalformedPayloadException e) {
            channel.close();
            throw channel.failure("its offer is malformed: " + e.getMessage(), e);
        } finally {
            call.unlock();
        }
    }

    /** Has the peer keep to this with all that it sends from now on. */
    public void keepTo(SourcePace pace) throws PeerException {
        call.lock();
        try {
            channel.onHeldUp(pace.heldUp());
            if (!pace.limits().isEmpty()) {
                channel.send(Op.LIMITS, 0, Payload.limits(pace.limits()));
            }
        } finally {
            call.unlock();
        }
    }

    /** Gives the connection away to whoever asks for parts. */
    FrameChannel parts() {
        requireDocuments();
        return channel;
    }

    @Override
    public void close() {
        if (!call.tryLock()) {
            channel.close();
            return;
        }
        try {
            PeerTransfer open = transfer;
            if (open != null) {
                open.close();
            }
            channel.close();
        } finally {
            call.unlock();
        }
    }

    private byte[] document(Op query, ByteBuffer payload, String what) throws PeerException {
        call.lock();
        try {
            requireDocuments();
            channel.send(query, 0, payload);
            Frame frame = expect(Op.DOCUMENT, what);
            long bytes = Payload.length(channel.readPayload(frame));
            if (bytes > MAX_DOCUMENT_BYTES) {
                channel.close();
                throw channel.failure(
                        what + ": it announces " + bytes + " bytes; at most " + MAX_DOCUMENT_BYTES + " are taken",
                        null);
            }
            return chunks((int) bytes, what);
        } catch (MalformedPayloadException e) {
            channel.close();
            throw channel.failure(what + ": its answer is malformed: " + e.getMessage(), e);
        } finally {
            call.unlock();
        }
    }

    /** Grows with what has arrived, not with what was announced. */
    private byte[] chunks(int bytes, String what) throws PeerException {
        byte[] document = new byte[Math.min(bytes, Op.CHUNK_BYTES)];
        int at = 0;
        for (int chunk = 0; at < bytes; chunk++) {
            if (at == document.length) {
                document = Arrays.copyOf(document, (int) Math.min(bytes, 2L * at));
            }
            int length = Math.min(Op.CHUNK_BYTES, document.length - at);
            ChunkReader.read(channel, what, chunk, ByteBuffer.wrap(document, at, length));
            at += length;
        }
        return document;
    }

    private Frame expect(Op op, String what) throws PeerException {
        return ChunkReader.expect(channel, op, what);
    }

    private void requireDocuments() {
        if (transfer != null) {
            throw new IllegalStateException("this connection belongs to its transfer; open another connection");
        }
    }

    private static void closeQuietly(@Nullable SocketChannel socket) {
        try {
            if (socket != null) {
                socket.close();
            }
        } catch (IOException alreadyBroken) {
            // The failure that led here is the one to report.
        }
    }
}
