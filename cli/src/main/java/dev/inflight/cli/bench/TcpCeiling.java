package dev.inflight.cli.bench;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * The most that goes over loopback: threads that write the same megabyte to sockets and others that read it, with nothing
 * computed and nothing kept. One connection or two, whichever carries more.
 */
public final class TcpCeiling {
    private static final int MOST_CONNECTIONS = 2;
    private static final int ROUNDS = 5;
    private static final long ROUND_BYTES = 512L << 20;

    private TcpCeiling() {}

    /** Sends for a few seconds and returns the better median in 10^9 bytes per second. */
    public static double measureGBps() throws InterruptedException {
        double best = 0;
        for (int connections = 1; connections <= MOST_CONNECTIONS; connections++) {
            double[] rates = new double[ROUNDS];
            for (int round = 0; round < ROUNDS; round++) {
                rates[round] = round(connections);
            }
            Arrays.sort(rates);
            best = Math.max(best, rates[ROUNDS / 2]);
        }
        return best;
    }

    private static double round(int connections) throws InterruptedException {
        long each = ROUND_BYTES / connections;
        try (ExecutorService threads = Executors.newFixedThreadPool(2 * connections);
                ServerSocketChannel server = ServerSocketChannel.open()) {
            server.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
            List<Callable<Void>> ends = new ArrayList<>();
            for (int i = 0; i < connections; i++) {
                SocketChannel sender = SocketChannel.open(server.getLocalAddress());
                sender.setOption(StandardSocketOptions.TCP_NODELAY, true);
                SocketChannel receiver = server.accept();
                ends.add(() -> {
                    RawBytes.send(sender, each);
                    return null;
                });
                ends.add(() -> {
                    RawBytes.receive(receiver, each);
                    return null;
                });
            }
            long begin = System.nanoTime();
            await(threads.invokeAll(ends));
            return (double) each * connections / (System.nanoTime() - begin);
        } catch (IOException e) {
            throw new IllegalStateException("cannot measure TCP over loopback: " + e.getMessage(), e);
        }
    }

    private static void await(List<Future<Void>> ends) throws InterruptedException {
        for (Future<Void> end : ends) {
            try {
                end.get();
            } catch (ExecutionException e) {
                throw new IllegalStateException("cannot measure TCP over loopback", e.getCause());
            }
        }
    }
}
