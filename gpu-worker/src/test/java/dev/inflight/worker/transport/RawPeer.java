package dev.inflight.worker.transport;

import java.io.IOException;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.zip.CRC32C;

/** Bytes of one's own choosing on a socket, well-formed or not. */
final class RawPeer implements AutoCloseable {
    final Socket socket;

    RawPeer(Socket socket) {
        this.socket = socket;
    }

    static RawPeer connect(String endpoint) throws IOException {
        var address = Endpoint.parse(endpoint);
        return new RawPeer(new Socket(address.getAddress(), address.getPort()));
    }

    static byte[] greeting() {
        return bytes(Greeting.encode("raw", Duration.ofSeconds(30)));
    }

    static byte[] frame(int op, int tag, ByteBuffer payload) {
        ByteBuffer frame = ByteBuffer.allocate(FrameChannel.HEADER_BYTES + payload.remaining());
        frame.putInt(op << 24).putInt(payload.remaining()).putInt(tag);
        CRC32C crc = new CRC32C();
        crc.update(frame.duplicate().flip());
        crc.update(payload.duplicate());
        return bytes(frame.putInt((int) crc.getValue()).put(payload).flip());
    }

    static byte[] frame(Op op, int tag, ByteBuffer payload) {
        return frame(op.code(), tag, payload);
    }

    static byte[] frame(Op op, int tag) {
        return frame(op, tag, ByteBuffer.allocate(0));
    }

    RawPeer write(byte[]... parts) throws IOException {
        for (byte[] part : parts) {
            socket.getOutputStream().write(part);
        }
        return this;
    }

    /** Like {@link #write}, for a peer that may hang up meanwhile. */
    void writeWhileHeard(byte[]... parts) {
        try {
            write(parts);
            socket.shutdownOutput();
        } catch (IOException hungUp) {
            // Refused early.
        }
    }

    /** Reads past the server's greeting and into the frame that follows it. */
    void awaitOffer(String host) throws IOException {
        socket.getInputStream().readNBytes(Greeting.FIXED_BYTES + host.length() + 1);
    }

    /** Everything the other side says until it hangs up. */
    String readAll() {
        StringBuilder text = new StringBuilder();
        byte[] buffer = new byte[4096];
        try {
            for (int n = socket.getInputStream().read(buffer);
                    n >= 0;
                    n = socket.getInputStream().read(buffer)) {
                text.append(new String(buffer, 0, n, java.nio.charset.StandardCharsets.ISO_8859_1));
            }
        } catch (IOException reset) {
            // As good as the end.
        }
        return text.toString();
    }

    private static byte[] bytes(ByteBuffer buffer) {
        byte[] bytes = new byte[buffer.remaining()];
        buffer.get(bytes);
        return bytes;
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }
}
