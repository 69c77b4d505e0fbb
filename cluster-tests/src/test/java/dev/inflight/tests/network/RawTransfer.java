package dev.inflight.tests.network;

import dev.inflight.cli.bench.RawBytes;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;

/**
 * What a link carries in one connection.
 * A program for two hosts; {@code receive PORT BYTES} prints the nanoseconds from its begin to the last byte,
 * {@code send HOST PORT BYTES} ends when all is sent.
 */
final class RawTransfer {
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
            SocketChannel channel = server.accept();
            long begin = System.nanoTime();
            RawBytes.receive(channel, bytes);
            System.out.println(System.nanoTime() - begin);
        }
    }

    private static void send(InetSocketAddress receiver, long bytes) throws IOException {
        RawBytes.send(SocketChannel.open(receiver), bytes);
    }
}
