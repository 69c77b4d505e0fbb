package dev.inflight.tests.fleet;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Queue;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Stands between an engine and its worker's socket and passes on what they say. While shut it keeps some of the engine's
 * answers back, usually {@code loaded} and {@code ended}, so that an update stays in a phase for as long as a test needs.
 * The update's end opens it: an abort, since the engine's answers stay in order, or the engine's death. Thread-safe.
 */
public final class GatedLink implements AutoCloseable {
    private static final Pattern VERB = Pattern.compile("\"verb\"\\s*:\\s*\"([a-z]+)\"");

    private final Path worker;
    private final Path listening;
    private final ServerSocketChannel server;
    /** Verbs of answers that are kept back; none while it is open. */
    private Set<String> shut = Set.of();

    private @Nullable Passage passage;

    private GatedLink(Path worker, Path listening, ServerSocketChannel server) {
        this.worker = worker;
        this.listening = listening;
        this.server = server;
    }

    /**
     * Starts passing on.
     *
     * @param listening where the engine connects
     * @param worker where the worker listens, now or later
     */
    public static GatedLink open(Path listening, Path worker) throws IOException {
        ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        server.bind(UnixDomainSocketAddress.of(listening));
        GatedLink link = new GatedLink(worker, listening, server);
        Thread.ofVirtual().name("gated-link").start(link::accept);
        return link;
    }

    /** What an engine connects to. */
    public Path socket() {
        return listening;
    }

    /** Keeps {@code loaded} and {@code ended} back from now on, so that an update stays streaming. */
    public void shut() {
        shut("loaded", "ended");
    }

    /** Keeps answers with these verbs back from now on. */
    public void shut(String... verbs) {
        shut(Set.of(verbs));
    }

    /** The same. */
    public synchronized void shut(Set<String> verbs) {
        shut = Set.copyOf(verbs);
    }

    /** Whether the engine has answered something and its worker does not know of it. */
    public synchronized boolean holds() {
        return passage != null && !passage.held.isEmpty();
    }

    /** Passes on what was kept back, and everything after it. */
    public synchronized void open() {
        shut = Set.of();
        if (passage != null) {
            passage.flush();
        }
    }

    @Override
    public void close() {
        try {
            server.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void accept() {
        while (server.isOpen()) {
            try {
                SocketChannel engine = server.accept();
                try {
                    SocketChannel to = SocketChannel.open(UnixDomainSocketAddress.of(worker));
                    start(new Passage(engine, to));
                } catch (IOException e) {
                    // No worker there: the engine is told the same way as without a gate, and tries again.
                    engine.close();
                }
            } catch (IOException e) {
                // Closed, or the engine is gone again.
            }
        }
    }

    private synchronized void start(Passage next) {
        passage = next;
        Thread.ofVirtual().name("gated-link-engine").start(() -> next.run(next::passAnswers));
        Thread.ofVirtual().name("gated-link-worker").start(() -> next.run(next::passOrders));
    }

    private synchronized void engineGone(Passage ended) {
        if (passage == ended) {
            passage = null;
            shut = Set.of();
        }
    }

    private interface Pump {
        void run() throws IOException;
    }

    /** One connection of the engine. */
    private final class Passage {
        private final SocketChannel engine;
        private final SocketChannel toWorker;
        private final OutputStream answers;
        private final Queue<byte[]> held = new ArrayDeque<>();

        Passage(SocketChannel engine, SocketChannel toWorker) {
            this.engine = engine;
            this.toWorker = toWorker;
            this.answers = Channels.newOutputStream(toWorker);
        }

        /** When one side is gone the other is told. */
        void run(Pump pump) {
            try (engine;
                    toWorker) {
                pump.run();
            } catch (IOException e) {
                // One side is gone.
            }
        }

        void passOrders() throws IOException {
            ByteBuffer buffer = ByteBuffer.allocate(64 << 10);
            while (toWorker.read(buffer.clear()) >= 0) {
                buffer.flip();
                while (buffer.hasRemaining()) {
                    engine.write(buffer);
                }
            }
        }

        void passAnswers() throws IOException {
            InputStream in = Channels.newInputStream(engine);
            try {
                while (true) {
                    pass(frame(in));
                }
            } finally {
                engineGone(this);
            }
        }

        private void pass(byte[] frame) throws IOException {
            synchronized (GatedLink.this) {
                String verb = verb(frame);
                if (shut.contains(verb)) {
                    held.add(frame);
                    return;
                }
                if (verb.equals("aborted")) {
                    open();
                }
                answers.write(frame);
            }
        }

        /** Holding the gate's lock. */
        void flush() {
            try {
                for (byte[] frame = held.poll(); frame != null; frame = held.poll()) {
                    answers.write(frame);
                }
            } catch (IOException e) {
                // The worker is gone, and with it whom to tell.
                held.clear();
            }
        }

        /** The next frame, its length included. */
        private static byte[] frame(InputStream in) throws IOException {
            byte[] length = exactly(in, Integer.BYTES);
            byte[] body = exactly(in, ByteBuffer.wrap(length).getInt());
            return ByteBuffer.allocate(length.length + body.length)
                    .put(length)
                    .put(body)
                    .array();
        }

        private static byte[] exactly(InputStream in, int bytes) throws IOException {
            byte[] read = in.readNBytes(bytes);
            if (read.length < bytes) {
                throw new EOFException();
            }
            return read;
        }

        private static String verb(byte[] frame) {
            Matcher verb = VERB.matcher(new String(frame, StandardCharsets.UTF_8));
            return verb.find() ? verb.group(1) : "";
        }
    }
}
