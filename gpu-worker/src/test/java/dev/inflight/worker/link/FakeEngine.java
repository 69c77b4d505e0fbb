package dev.inflight.worker.link;

import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.link.EngineDevice;
import dev.inflight.protocol.link.EngineMessage;
import dev.inflight.protocol.link.EngineMessage.Hello;
import dev.inflight.protocol.link.FrameReader;
import dev.inflight.protocol.link.LinkCodec;
import dev.inflight.protocol.link.WorkerMessage;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.List;

/** The engine's end of the link, by hand. */
final class FakeEngine implements AutoCloseable {
    private final SocketChannel channel;
    private final FrameReader frames;

    FakeEngine(Path socket) throws IOException {
        channel = SocketChannel.open(UnixDomainSocketAddress.of(socket));
        frames = new FrameReader(channel);
    }

    /** Connects, says hello and reads the welcome. */
    static FakeEngine attach(Path socket) throws IOException {
        FakeEngine engine = new FakeEngine(socket);
        engine.say(hello(LinkCodec.PROTOCOL));
        if (!(engine.hear() instanceof WorkerMessage.Welcome)) {
            throw new AssertionError("not welcome");
        }
        return engine;
    }

    static Hello hello(int protocol) {
        return hello(protocol, 0, 1);
    }

    /** Of a rank of a tensor-parallel group. */
    static Hello rank(int rank, int size) {
        return hello(LinkCodec.PROTOCOL, rank, size);
    }

    private static Hello hello(int protocol, int rank, int size) {
        return new Hello(
                protocol,
                "engine-1",
                42,
                "m",
                EngineDevice.HOST,
                rank,
                size,
                List.of(),
                List.of(LoadMode.SHADOW),
                false,
                null,
                null);
    }

    void say(EngineMessage message) throws IOException {
        sayRaw(LinkCodec.encode(message));
    }

    void sayRaw(ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
    }

    WorkerMessage hear() throws IOException {
        byte[] frame = frames.next();
        if (frame == null) {
            throw new AssertionError("the worker closed the connection");
        }
        return LinkCodec.decodeWorkerMessage(frame);
    }

    boolean isClosedByWorker() throws IOException {
        return frames.next() == null;
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
