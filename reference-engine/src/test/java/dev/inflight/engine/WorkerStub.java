package dev.inflight.engine;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.inflight.protocol.link.FrameReader;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** The worker's end of the link, by hand: raw frames out, JSON in. */
final class WorkerStub implements AutoCloseable {
    static final int PATIENCE_S = 20;

    private final ServerSocketChannel server;
    private final BlockingQueue<SocketChannel> connections = new LinkedBlockingQueue<>();
    private BlockingQueue<Optional<JsonNode>> frames = new LinkedBlockingQueue<>();
    private SocketChannel engine;

    WorkerStub(Path socket) throws IOException {
        server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        server.bind(UnixDomainSocketAddress.of(socket));
        Thread.ofVirtual().start(this::acceptAll);
    }

    void accept() throws InterruptedException {
        engine = connections.poll(PATIENCE_S, TimeUnit.SECONDS);
        if (engine == null) {
            throw new AssertionError("the engine did not connect within 20 s");
        }
        frames = new LinkedBlockingQueue<>();
        SocketChannel channel = engine;
        BlockingQueue<Optional<JsonNode>> to = frames;
        Thread.ofVirtual().start(() -> readAll(channel, to));
    }

    void send(JsonNode message) throws IOException {
        byte[] json = message.toString().getBytes(StandardCharsets.UTF_8);
        raw(ByteBuffer.allocate(Integer.BYTES + json.length)
                .putInt(json.length)
                .put(json)
                .flip());
    }

    void raw(ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            engine.write(bytes);
        }
    }

    /** The next frame; empty if the engine closed the connection. */
    Optional<JsonNode> next() throws InterruptedException {
        Optional<JsonNode> frame = frames.poll(PATIENCE_S, TimeUnit.SECONDS);
        if (frame == null) {
            throw new AssertionError("the engine said nothing for 20 s");
        }
        return frame;
    }

    void disconnect() throws IOException {
        engine.close();
    }

    @Override
    public void close() throws IOException {
        server.close();
        if (engine != null) {
            engine.close();
        }
    }

    private void acceptAll() {
        try {
            while (true) {
                connections.add(server.accept());
            }
        } catch (IOException e) {
            // closed: the test is over
        }
    }

    private static void readAll(SocketChannel channel, BlockingQueue<Optional<JsonNode>> to) {
        try {
            FrameReader reader = new FrameReader(channel);
            ObjectMapper mapper = new ObjectMapper();
            for (byte[] frame = reader.next(); frame != null; frame = reader.next()) {
                to.add(Optional.of(mapper.readTree(frame)));
            }
        } catch (IOException e) {
            // as good as the end of the stream
        }
        to.add(Optional.empty());
    }
}
