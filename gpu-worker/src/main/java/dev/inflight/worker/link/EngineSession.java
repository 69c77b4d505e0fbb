package dev.inflight.worker.link;

import dev.inflight.protocol.link.EngineMessage;
import dev.inflight.protocol.link.EngineMessage.Aborted;
import dev.inflight.protocol.link.EngineMessage.Begun;
import dev.inflight.protocol.link.EngineMessage.Committed;
import dev.inflight.protocol.link.EngineMessage.Dumped;
import dev.inflight.protocol.link.EngineMessage.Ended;
import dev.inflight.protocol.link.EngineMessage.Hello;
import dev.inflight.protocol.link.EngineMessage.Loaded;
import dev.inflight.protocol.link.LinkCodec;
import dev.inflight.protocol.link.LinkException;
import dev.inflight.protocol.link.WorkerMessage;
import dev.inflight.protocol.link.WorkerMessage.Abort;
import dev.inflight.protocol.link.WorkerMessage.Begin;
import dev.inflight.protocol.link.WorkerMessage.Commit;
import dev.inflight.protocol.link.WorkerMessage.Dump;
import dev.inflight.protocol.link.WorkerMessage.End;
import dev.inflight.protocol.link.WorkerMessage.Load;
import dev.inflight.worker.link.EngineLinkException.Kind;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Deque;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import org.jspecify.annotations.Nullable;

/**
 * One engine's connection, from its hello until it is gone. Messages may be sent without waiting for the answers of
 * earlier ones; the engine carries them out in the order of the calls.
 *
 * <p>Thread-safe, and no method blocks. Each future completes on a link thread, exceptionally with an
 * {@link EngineLinkException} if the engine answers {@code failed}, the connection is lost or the message can not be
 * sent. There is no time limit here: whoever waits sets one, and closes the session when the engine is given up.
 */
public final class EngineSession implements AutoCloseable {
    /** Most loads that may wait for an answer. */
    public static final int MAX_PENDING_LOADS = 1024;
    /** Other messages are let through beyond that, so that an abort finds room behind a flood of loads. */
    static final int MAX_PENDING = MAX_PENDING_LOADS + 64;

    private final Hello hello;
    private final EngineConnection connection;
    private final Object lock = new Object();
    private final PendingAnswers pending = new PendingAnswers();
    private final BlockingQueue<PendingAnswers.Pending> unsent = new LinkedBlockingQueue<>(MAX_PENDING);
    private @Nullable String closedBecause;

    EngineSession(Hello hello, EngineConnection connection) {
        this.hello = hello;
        this.connection = connection;
    }

    /** What the engine said about itself when it connected. */
    public Hello hello() {
        return hello;
    }

    public CompletableFuture<Begun> begin(Begin message) {
        return ask(message, Begun.class);
    }

    public CompletableFuture<Loaded> load(Load message) {
        return ask(message, Loaded.class);
    }

    public CompletableFuture<Ended> end(End message) {
        return ask(message, Ended.class);
    }

    public CompletableFuture<Committed> commit(Commit message) {
        return ask(message, Committed.class);
    }

    public CompletableFuture<Aborted> abort(Abort message) {
        return ask(message, Aborted.class);
    }

    public CompletableFuture<Dumped> dump(Dump message) {
        return ask(message, Dumped.class);
    }

    /** Gives the engine up: its connection is closed and everything that waits for it fails. */
    @Override
    public void close() {
        connection.close("the worker closed the session");
    }

    @Override
    public String toString() {
        return "EngineSession[%s, pid %d]".formatted(hello.engine(), hello.pid());
    }

    private <A extends EngineMessage> CompletableFuture<A> ask(WorkerMessage message, Class<A> answer) {
        synchronized (lock) {
            if (closedBecause != null) {
                return CompletableFuture.failedFuture(disconnected(closedBecause));
            }
            int limit = message instanceof Load ? MAX_PENDING_LOADS : MAX_PENDING;
            if (pending.size() >= limit) {
                return CompletableFuture.failedFuture(new EngineLinkException(
                        Kind.NOT_SENT,
                        "engine %s: %d messages wait for its answer already; send fewer at a time"
                                .formatted(hello.engine(), pending.size())));
            }
            PendingAnswers.Pending added = pending.add(message);
            unsent.add(added); // has room: what is unsent is pending
            return added.answer().thenApply(answer::cast);
        }
    }

    /** Writes messages as they come, until interrupted or the connection breaks. */
    void writeAll(EngineConnection to) throws InterruptedException, IOException {
        while (true) {
            PendingAnswers.Pending next = unsent.take();
            ByteBuffer frame;
            try {
                frame = LinkCodec.encode(next.message());
            } catch (LinkException e) {
                synchronized (lock) {
                    pending.remove(next);
                }
                next.answer()
                        .completeExceptionally(new EngineLinkException(
                                Kind.NOT_SENT, "engine %s: %s".formatted(hello.engine(), e.getMessage()), e));
                continue;
            }
            to.write(frame);
        }
    }

    /**
     * Hands an answer to whoever waits for it.
     *
     * @throws LinkException if nothing waits for it
     */
    void answered(EngineMessage answer) throws LinkException {
        PendingAnswers.Pending asked;
        synchronized (lock) {
            asked = pending.take(answer);
        }
        if (asked == null) {
            throw new LinkException("this answers nothing that was asked: " + answer);
        }
        if (answer instanceof EngineMessage.Failed failed) {
            asked.answer().completeExceptionally(PendingAnswers.refusal(hello.engine(), failed));
        } else {
            asked.answer().complete(answer);
        }
    }

    /** Fails everything that waits, now and from now on. */
    void lost(String reason) {
        Deque<PendingAnswers.Pending> lost;
        synchronized (lock) {
            closedBecause = reason;
            lost = pending.takeAll();
        }
        lost.forEach(waiting -> waiting.answer().completeExceptionally(disconnected(reason)));
    }

    private EngineLinkException disconnected(String reason) {
        return new EngineLinkException(
                Kind.DISCONNECTED, "engine %s is no longer connected: %s".formatted(hello.engine(), reason));
    }
}
