package dev.inflight.worker.nccl;

import java.nio.file.Path;
import java.time.Duration;

/**
 * One rank of two in a process of its own, on the GPU of its number: broadcasts from rank 0 for ever, and aborts when a
 * stream is overdue, as a worker does. Arguments: the id, the rank, and optionally NCCL's file. Says {@code ROUND n}
 * every ten rounds, {@code LOST} and the exception's text when the peer is gone, and then ends with status 42.
 */
final class NcclRankMain {
    static final int LOST = 42;
    static final String ROUND = "ROUND ";

    private static final long BYTES = 64L << 20;
    private static final Duration JOIN_BOUND = Duration.ofSeconds(60);
    private static final long STREAM_BOUND_NS = Duration.ofSeconds(3).toNanos();

    private final TestCuda cuda;
    private final NcclCommunicator communicator;
    private final long memory;
    private final long stream;

    private NcclRankMain(TestCuda cuda, NcclCommunicator communicator, long memory, long stream) {
        this.cuda = cuda;
        this.communicator = communicator;
        this.memory = memory;
        this.stream = stream;
    }

    public static void main(String[] arguments) {
        int rank = Integer.parseInt(arguments[1]);
        TestCuda cuda = TestCuda.load().orElseThrow();
        cuda.use(rank);
        NcclLibrary library = arguments.length > 2
                ? NcclLibrary.load(Path.of(arguments[2]))
                : NcclLibrary.load().orElseThrow();
        say("rank " + rank + " with " + library);
        long memory = cuda.allocate(BYTES);
        long stream = cuda.stream();
        var communicator = NcclCommunicator.create(library, new NcclId(arguments[0]), 2, rank, JOIN_BOUND);
        try {
            new NcclRankMain(cuda, communicator, memory, stream).broadcastForEver();
        } catch (NcclException e) {
            say("LOST " + e);
            // No orderly exit: what a dead peer left on the GPU must not hold this process up.
            Runtime.getRuntime().halt(LOST);
        }
    }

    private void broadcastForEver() {
        for (int round = 0; ; round++) {
            communicator.broadcast(memory, BYTES, 0, stream);
            awaitStream();
            communicator.check();
            if (round % 10 == 0) {
                say(ROUND + round);
            }
        }
    }

    /** Leaves an error for the next use of the communicator to report. */
    private void awaitStream() {
        long start = System.nanoTime();
        int result = cuda.query(stream);
        while (result == TestCuda.NOT_READY && System.nanoTime() - start < STREAM_BOUND_NS) {
            Thread.onSpinWait();
            result = cuda.query(stream);
        }
        if (result == 0) {
            return;
        }
        say("stream: CUresult " + result + " after " + elapsedMs(start) + " ms, aborting");
        long aborting = System.nanoTime();
        communicator.abort();
        say("aborted in " + elapsedMs(aborting) + " ms, stream: CUresult " + cuda.query(stream));
    }

    private static long elapsedMs(long start) {
        return (System.nanoTime() - start) / 1_000_000;
    }

    private static void say(String line) {
        System.out.println(line);
        System.out.flush();
    }
}
