package dev.inflight.worker.transport;

import dev.inflight.worker.ucx.UcxException;
import dev.inflight.worker.ucx.UcxInbox;
import dev.inflight.worker.ucx.UcxNode;
import dev.inflight.worker.ucx.UcxOutbox;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.LongAdder;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Sends documents, buckets and parts in chunks: in frames, or, once the client has asked for it, each by UCX with a
 * frame that says so when UCX is done with it. A chunk that UCX does not get away goes in a frame, and so do all that
 * follow. For one thread.
 */
final class ChunkWriter implements AutoCloseable {
    private static final Duration LET_GO = Duration.ofSeconds(10);
    private static final Logger LOG = LoggerFactory.getLogger(ChunkWriter.class);

    private final FrameChannel channel;
    private final @Nullable UcxNode ucx;
    private final Duration patience;
    private final LongAdder sent;
    private @Nullable UcxOutbox outbox;
    private long nextTag;

    /** Waits for its turn to send so many bytes. */
    interface Pace {
        void take(long bytes) throws PeerException, InterruptedException;
    }

    /**
     * @param ucx null if this host does not use UCX
     * @param patience longest wait for UCX to reach a client
     * @param sent told of each document, bucket and part that went, in bytes
     */
    ChunkWriter(FrameChannel channel, @Nullable UcxNode ucx, Duration patience, LongAdder sent) {
        this.channel = channel;
        this.ucx = ucx;
        this.patience = patience;
        this.sent = sent;
    }

    /**
     * Goes over to UCX, or back from it. A first message shows whether the client can be reached.
     *
     * @return why it goes on without UCX; empty if it does not
     */
    String useUcx(Payload.UcxQuery query) throws InterruptedException {
        close();
        if (!query.address().hasRemaining()) {
            return "";
        }
        if (ucx == null) {
            return "that host does not use UCX";
        }
        byte[] peer = new byte[query.address().remaining()];
        query.address().duplicate().get(peer);
        var trial = ucx.outbox(peer);
        nextTag = query.firstTag();
        try {
            trial.send(MemorySegment.ofBuffer(ByteBuffer.allocateDirect(Integer.BYTES)), nextTag++)
                    .get(patience.toMillis(), TimeUnit.MILLISECONDS);
            outbox = trial;
            return "";
        } catch (ExecutionException e) {
            letGo(trial);
            return "UCX does not come through: " + UcxException.reason(e);
        } catch (TimeoutException e) {
            letGo(trial);
            return "UCX sent nothing within " + patience.toMillis() + " ms";
        }
    }

    /** @param pace called before each chunk */
    void write(MemorySegment bytes, Pace pace) throws PeerException, InterruptedException {
        long at = outbox == null ? 0 : byUcx(outbox, bytes, pace);
        for (; at < bytes.byteSize(); at += Op.CHUNK_BYTES) {
            var chunk = chunk(bytes, at);
            pace.take(chunk.byteSize());
            channel.send(Op.CHUNK, number(at), chunk.asByteBuffer());
        }
        sent.add(bytes.byteSize());
    }

    /**
     * A client that takes its time is waited for; this is interrupted when it is gone.
     *
     * @return how far UCX came
     */
    private long byUcx(UcxOutbox open, MemorySegment bytes, Pace pace) throws PeerException, InterruptedException {
        Deque<CompletableFuture<Void>> flying = new ArrayDeque<>();
        long begun = 0;
        long done = 0;
        boolean finished = false;
        try {
            while (done < bytes.byteSize()) {
                while (begun < bytes.byteSize() && flying.size() < UcxInbox.WINDOW) {
                    var chunk = chunk(bytes, begun);
                    pace.take(chunk.byteSize());
                    flying.add(open.send(chunk, nextTag++));
                    begun += chunk.byteSize();
                }
                flying.remove().get();
                int length = (int) chunk(bytes, done).byteSize();
                channel.send(Op.CHUNK_SENT, number(done), Payload.sent(length));
                done += length;
            }
            finished = true;
        } catch (ExecutionException e) {
            LOG.warn("peer {}: goes on over TCP, UCX failed: {}", channel.peer(), UcxException.reason(e));
        } finally {
            if (!finished) {
                close();
            }
        }
        return done;
    }

    private static MemorySegment chunk(MemorySegment bytes, long at) {
        return bytes.asSlice(at, Math.min(Op.CHUNK_BYTES, bytes.byteSize() - at));
    }

    private static int number(long at) {
        return (int) (at / Op.CHUNK_BYTES);
    }

    /** Ends the use of UCX; on return it reads none of the bytes any more. */
    @Override
    public void close() {
        var open = outbox;
        outbox = null;
        if (open != null) {
            letGo(open);
        }
    }

    private void letGo(UcxOutbox open) {
        boolean interrupted = Thread.interrupted();
        try {
            open.shut().get(LET_GO.toMillis(), TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            interrupted = true;
        } catch (ExecutionException | TimeoutException e) {
            LOG.error("UCX does not let go of what it sends to peer {}", channel.peer(), e);
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
