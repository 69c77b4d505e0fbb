package dev.inflight.tests.network;

import java.io.EOFException;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;

/**
 * What a link carries: one connection whose one end writes the same megabyte over and over and whose other end reads it.
 * A program for two hosts; {@code receive PORT BYTES} prints the nanoseconds from the first byte to the last,
 * {@code send HOST PORT BYTES} ends when all is sent.
 */
final class RawTransfer {
    private static final int CHUNK_BYTES = 1 << 20;

    private RawTransfer() {}

    public static void main(String[] arguments) throws IOException {
        switch (arguments[0]) {
            case "receive" -> receive(Integer.parseInt(arguments[1]), Long.parseLong(arguments[2]));
            case "send" ->
                send(new InetSocketAddress(arguments[1], Integer.parseInt(arguments[2])), Long.parseLong(arguments[3]));
            default -> throw new IllegalArgumentException("neither receive nor send: " + arguments[0]);
        }
    }

    private static void receive(int port, long bytes) throws IOException {
        try (ServerSocketChannel server = ServerSocketChannel.open().bind(new InetSocketAddress(port))) {
            System.out.println("listening");
            try (SocketChannel channel = server.accept()) {
                ByteBuffer chunk = ByteBuffer.allocateDirect(CHUNK_BYTES);
                long received = Math.max(0, channel.read(chunk));
                long begin = System.nanoTime();
                while (received < bytes) {
                    int read = channel.read(chunk.clear());
                    if (read < 0) {
                        throw new EOFException("the connection ended after " + received + " of " + bytes + " bytes");
                    }
                    received += read;
                }
                System.out.println(System.nanoTime() - begin);
            }
        }
    }

    private static void send(InetSocketAddress receiver, long bytes) throws IOException {
        try (SocketChannel channel = SocketChannel.open(receiver)) {
            ByteBuffer chunk = ByteBuffer.allocateDirect(CHUNK_BYTES);
            for (long sent = 0; sent < bytes; ) {
                chunk.clear().limit((int) Math.min(CHUNK_BYTES, bytes - sent));
                sent += channel.write(chunk);
            }
        }
    }
}
