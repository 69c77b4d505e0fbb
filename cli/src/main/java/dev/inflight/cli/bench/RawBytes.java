package dev.inflight.cli.bench;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;

/** What a connection carries if nothing is computed and nothing kept: the same megabyte, over and over. */
public final class RawBytes {
    private static final int CHUNK_BYTES = 1 << 20;

    private RawBytes() {}

    /** Sends so many bytes and closes the channel. */
    public static void send(SocketChannel channel, long bytes) throws IOException {
        try (channel) {
            ByteBuffer chunk = ByteBuffer.allocateDirect(CHUNK_BYTES);
            for (long sent = 0; sent < bytes; ) {
                chunk.clear().limit((int) Math.min(CHUNK_BYTES, bytes - sent));
                sent += channel.write(chunk);
            }
        }
    }

    /**
     * Receives so many bytes and closes the channel.
     *
     * @throws EOFException if fewer come
     */
    public static void receive(SocketChannel channel, long bytes) throws IOException {
        try (channel) {
            ByteBuffer chunk = ByteBuffer.allocateDirect(CHUNK_BYTES);
            for (long received = 0; received < bytes; ) {
                int read = channel.read(chunk.clear());
                if (read < 0) {
                    throw new EOFException("the connection ended after " + received + " of " + bytes + " bytes");
                }
                received += read;
            }
        }
    }
}
