package dev.inflight.worker.link;

import dev.inflight.protocol.link.EngineMessage;
import dev.inflight.protocol.link.EngineMessage.Hello;
import dev.inflight.protocol.link.FrameReader;
import dev.inflight.protocol.link.LinkCodec;
import dev.inflight.protocol.link.LinkError;
import dev.inflight.protocol.link.LinkException;
import dev.inflight.protocol.link.WorkerMessage.Welcome;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** One accepted connection: its reader and writer threads, from the hello to the end. */
final class EngineConnection {
    private static final Logger LOG = LoggerFactory.getLogger(EngineConnection.class);

    private final EngineLink link;
    private final SocketChannel channel;
    private final CountDownLatch greeted = new CountDownLatch(1);
    private final AtomicReference<@Nullable String> closedBecause = new AtomicReference<>();
    private final ReentrantLock writing = new ReentrantLock();

    EngineConnection(EngineLink link, SocketChannel channel) {
        this.link = link;
        this.channel = channel;
    }

    void start(Duration helloTimeout) {
        Thread.ofVirtual().name("engine-link-read-" + link.worker()).start(this::run);
        Thread.ofVirtual().name("engine-link-hello-" + link.worker()).start(() -> awaitHello(helloTimeout));
    }

    /** Ends the connection; the first reason given is the one reported. */
    void close(String reason) {
        closedBecause.compareAndSet(null, reason);
        greeted.countDown();
        try {
            channel.close();
        } catch (IOException e) {
            LOG.debug("{}: closing an engine's connection", link.worker(), e);
        }
    }

    void write(ByteBuffer frame) throws IOException {
        writing.lock();
        try {
            while (frame.hasRemaining()) {
                channel.write(frame);
            }
        } finally {
            writing.unlock();
        }
    }

    private void awaitHello(Duration timeout) {
        try {
            if (!greeted.await(timeout.toMillis(), TimeUnit.MILLISECONDS)) {
                close("no hello within %d ms".formatted(timeout.toMillis()));
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void run() {
        try {
            FrameReader frames = new FrameReader(channel);
            Hello hello = greet(frames);
            if (hello != null) {
                serve(new EngineSession(hello, this), frames);
            }
        } catch (LinkException e) {
            sayWhy(String.valueOf(e.getMessage()));
        } catch (IOException e) {
            close(reason(e));
        } finally {
            close("the engine closed the connection");
            LOG.debug("{}: engine connection ended: {}", link.worker(), closedBecause.get());
            link.remove(this);
        }
    }

    private @Nullable Hello greet(FrameReader frames) throws IOException {
        byte[] first = frames.next();
        if (first == null) {
            return null;
        }
        if (!(LinkCodec.decodeEngineMessage(first) instanceof Hello hello)) {
            throw new LinkException("the first message must be a hello");
        }
        check(hello);
        var refusal = link.listener().refusal(hello);
        if (refusal.isPresent()) {
            throw new LinkException(refusal.get());
        }
        if (!link.attach(this)) {
            throw new LinkException("worker %s has an engine already; it takes one at a time".formatted(link.worker()));
        }
        greeted.countDown();
        return hello;
    }

    private static void check(Hello hello) throws LinkException {
        if (hello.protocol() != LinkCodec.PROTOCOL) {
            throw new LinkException(
                    "protocol %d is not spoken here, only %d".formatted(hello.protocol(), LinkCodec.PROTOCOL));
        }
        if (hello.engine().isEmpty() || hello.model().isEmpty()) {
            throw new LinkException("hello: engine and model must not be empty");
        }
        if (hello.modes().isEmpty()) {
            throw new LinkException("hello: modes must name at least one load mode");
        }
        if (hello.tpRank() >= hello.tpSize()) {
            throw new LinkException(
                    "hello: tpRank %d must be below tpSize %d".formatted(hello.tpRank(), hello.tpSize()));
        }
    }

    private void serve(EngineSession session, FrameReader frames) throws IOException {
        Thread writer = null;
        try {
            write(LinkCodec.encode(new Welcome(LinkCodec.PROTOCOL, link.worker())));
            writer = Thread.ofVirtual()
                    .name("engine-link-write-" + session.hello().engine())
                    .start(() -> writeAll(session));
            link.listener().attached(session);
            readAll(session, frames);
        } catch (LinkException e) {
            sayWhy(String.valueOf(e.getMessage()));
        } catch (IOException e) {
            close(reason(e));
        } finally {
            detach(session, writer);
        }
    }

    private static void readAll(EngineSession session, FrameReader frames) throws IOException {
        for (byte[] frame = frames.next(); frame != null; frame = frames.next()) {
            EngineMessage message = LinkCodec.decodeEngineMessage(frame);
            if (message instanceof LinkError error) {
                throw new EngineSaidError(error.message());
            }
            session.answered(message);
        }
    }

    private void writeAll(EngineSession session) {
        try {
            session.writeAll(this);
        } catch (IOException e) {
            close(reason(e));
        } catch (InterruptedException e) {
            LOG.debug("{}: stopped writing", session);
        }
    }

    private void detach(EngineSession session, @Nullable Thread writer) {
        close("the engine closed the connection");
        if (writer != null) {
            writer.interrupt();
        }
        String reason = Objects.requireNonNull(closedBecause.get(), "reason");
        session.lost(reason);
        link.listener().detached(session, reason);
    }

    // Best effort: an engine that does not read must not keep us here.
    private void sayWhy(String message) {
        LOG.warn("{}: closing an engine's connection: {}", link.worker(), message);
        if (writing.tryLock()) {
            try {
                channel.configureBlocking(false);
                channel.write(LinkCodec.encode(new LinkError(message)));
            } catch (IOException e) {
                LOG.debug("{}: could not tell the engine why", link.worker(), e);
            } finally {
                writing.unlock();
            }
        }
        close(message);
    }

    private static String reason(IOException e) {
        return e instanceof EngineSaidError
                ? "the engine reported an error: " + e.getMessage()
                : "the connection broke: " + e.getMessage();
    }

    /** The engine closes the connection and said why; not to be answered. */
    private static final class EngineSaidError extends IOException {
        EngineSaidError(String message) {
            super(message);
        }
    }
}
