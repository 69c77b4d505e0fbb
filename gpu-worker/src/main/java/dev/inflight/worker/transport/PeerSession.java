package dev.inflight.worker.transport;

import java.nio.ByteBuffer;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The server's side of one connection. Three virtual threads: a reader that takes frames, a {@link PeerResponder} that
 * answers requests in order, and the session's own, which waits for the first reason to end and then ends things in
 * the one right order.
 */
final class PeerSession {
    private static final Logger LOG = LoggerFactory.getLogger(PeerSession.class);

    /** Why a session ends. */
    sealed interface Ending {
        /** The client said goodbye. */
        record Finished() implements Ending {}

        /** The connection broke. */
        record Vanished(String reason) implements Ending {}

        /** This side refuses to go on, and says so. */
        record Refused(String message) implements Ending {}
    }

    private final FrameChannel channel;
    private final String host;
    private final PeerResponder responder;
    private final Consumer<PeerSession> onEnd;
    private final CompletableFuture<Ending> ending = new CompletableFuture<>();
    private final Thread supervisor;
    private final Thread reader;

    PeerSession(
            FrameChannel channel,
            String host,
            ChunkWriter chunks,
            PeerService service,
            ConnectionPace pace,
            Consumer<PeerSession> onEnd) {
        this.channel = channel;
        this.host = host;
        this.onEnd = onEnd;
        this.responder = new PeerResponder(channel, chunks, service, pace, ending::complete);
        this.supervisor =
                Thread.ofVirtual().name("peer-session " + channel.peer()).unstarted(this::run);
        this.reader = Thread.ofVirtual().name("peer-reader " + channel.peer()).unstarted(this::read);
    }

    void start() {
        supervisor.start();
    }

    boolean serves(TransferKey key) {
        return key.equals(responder.transfer());
    }

    void abandon(String reason) {
        ending.complete(new Ending.Refused(reason));
    }

    void kill() {
        ending.complete(new Ending.Vanished("this server closed"));
        channel.close();
    }

    void join() throws InterruptedException {
        supervisor.join();
    }

    private void run() {
        try {
            reader.start();
            responder.start();
            end(ending.join());
        } catch (InterruptedException e) {
            throw new IllegalStateException("nobody interrupts a session", e);
        } finally {
            channel.close();
            onEnd.accept(this);
        }
    }

    private void end(Ending why) throws InterruptedException {
        LOG.debug("connection of peer {} ends: {}", channel.peer(), why);
        responder.stop();
        responder.closeTransfer(why instanceof Ending.Finished);
        try {
            switch (why) {
                case Ending.Finished finished -> channel.sendLast(Op.BYE, 0, ByteBuffer.allocate(0));
                case Ending.Refused refused -> channel.sendLast(Op.FAILED, 0, Payload.message(refused.message()));
                case Ending.Vanished vanished -> channel.close();
            }
        } catch (PeerException gone) {
            channel.close();
        }
        reader.join();
    }

    /** Reads until the connection is gone, also after the ending: what arrives then is dropped. */
    private void read() {
        try {
            channel.greet(host);
            while (true) {
                Frame frame = channel.next();
                ByteBuffer payload = channel.readPayload(frame);
                if (frame.op() == Op.BYE) {
                    ending.complete(new Ending.Finished());
                } else if (!ending.isDone()) {
                    take(frame, payload);
                }
            }
        } catch (PeerException e) {
            ending.complete(new Ending.Vanished(String.valueOf(e.getMessage())));
        }
    }

    private void take(Frame frame, ByteBuffer payload) {
        try {
            responder.take(frame, payload);
        } catch (PeerException | MalformedPayloadException e) {
            ending.complete(new Ending.Refused("a " + frame.op() + " frame was refused: " + e.getMessage()));
        } catch (RuntimeException e) {
            LOG.error("serving peer {}", channel.peer(), e);
            ending.complete(new Ending.Refused("internal error: " + e));
        }
    }
}
