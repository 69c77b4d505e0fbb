package dev.inflight.engine;

import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.link.EngineDevice;
import dev.inflight.protocol.link.EngineMessage;
import dev.inflight.protocol.link.EngineMessage.Hello;
import dev.inflight.protocol.link.FrameReader;
import dev.inflight.protocol.link.LinkCodec;
import dev.inflight.protocol.link.LinkError;
import dev.inflight.protocol.link.LinkException;
import dev.inflight.protocol.link.WorkerMessage;
import dev.inflight.protocol.link.WorkerMessage.Abort;
import dev.inflight.protocol.link.WorkerMessage.Begin;
import dev.inflight.protocol.link.WorkerMessage.Commit;
import dev.inflight.protocol.link.WorkerMessage.Dump;
import dev.inflight.protocol.link.WorkerMessage.End;
import dev.inflight.protocol.link.WorkerMessage.Load;
import dev.inflight.protocol.link.WorkerMessage.Welcome;
import java.io.EOFException;
import java.io.IOException;
import java.io.PrintStream;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.util.ArrayList;

/** Connects to the worker, again and again, and carries out what it says, in order. */
final class LinkClient implements Runnable {
    private static final long MIN_BACKOFF_MS = 50;
    private static final long MAX_BACKOFF_MS = 2_000;

    private final EngineFlags flags;
    private final WeightUpdates updates;
    private final PrintStream log;
    private long backoffMs = MIN_BACKOFF_MS;
    private boolean quiet;

    LinkClient(EngineFlags flags, WeightUpdates updates, PrintStream log) {
        this.flags = flags;
        this.updates = updates;
        this.log = log;
    }

    @Override
    public void run() {
        try {
            while (true) {
                attend();
                Thread.sleep(backoffMs);
                backoffMs = Math.min(2 * backoffMs, MAX_BACKOFF_MS);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void attend() {
        try (SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(flags.link()))) {
            serve(channel);
            say("the worker closed the link");
        } catch (IOException e) {
            say("no link to the worker at %s: %s".formatted(flags.link(), e.getMessage()));
        } finally {
            updates.linkLost();
        }
    }

    // Once per lost link, not once per attempt.
    private void say(String what) {
        if (!quiet) {
            log.println("engine %s: %s".formatted(flags.id(), what));
        }
        quiet = true;
    }

    private void serve(SocketChannel channel) throws IOException {
        try {
            FrameReader frames = new FrameReader(channel);
            send(channel, hello());
            for (byte[] frame = frames.next(); frame != null; frame = frames.next()) {
                WorkerMessage message = LinkCodec.decodeWorkerMessage(frame);
                if (message instanceof LinkError error) {
                    throw new IOException("the worker refused this engine: " + error.message());
                }
                handle(channel, message);
            }
        } catch (LinkException | EOFException e) {
            send(channel, new LinkError(String.valueOf(e.getMessage())));
            throw e;
        }
    }

    private void handle(SocketChannel channel, WorkerMessage message) throws IOException {
        switch (message) {
            case Welcome welcome -> welcomed(welcome);
            case Begin begin -> send(channel, updates.begin(begin));
            case Load load -> send(channel, updates.load(load));
            case End end -> send(channel, updates.end(end));
            case Commit commit -> send(channel, updates.commit(commit));
            case Abort abort -> send(channel, updates.abort(abort));
            case Dump dump -> send(channel, updates.dump(dump));
            case LinkError error -> throw new IOException(error.message());
        }
    }

    private void welcomed(Welcome welcome) throws LinkException {
        if (welcome.protocol() != LinkCodec.PROTOCOL) {
            throw new LinkException(
                    "protocol %d is not spoken here, only %d".formatted(welcome.protocol(), LinkCodec.PROTOCOL));
        }
        backoffMs = MIN_BACKOFF_MS;
        quiet = false;
        log.println("engine %s: attached to worker %s".formatted(flags.id(), welcome.worker()));
    }

    private Hello hello() {
        WeightUpdates.Status status = updates.status();
        EngineState.Version version = status.version();
        return new Hello(
                LinkCodec.PROTOCOL,
                flags.id(),
                ProcessHandle.current().pid(),
                flags.model(),
                EngineDevice.HOST,
                flags.share().parallel().rank(),
                flags.share().parallel().size(),
                flags.share().parallel().rules(),
                flags.share().wants(),
                new ArrayList<LoadMode>(flags.modes()),
                false,
                version == null ? null : version.name(),
                version == null ? null : version.digest(),
                status.standby());
    }

    private static void send(SocketChannel channel, EngineMessage message) throws IOException {
        ByteBuffer frame = LinkCodec.encode(message);
        while (frame.hasRemaining()) {
            channel.write(frame);
        }
    }
}
