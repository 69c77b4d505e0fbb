package dev.inflight.cli.gpu;

import dev.inflight.worker.cuda.CudaContext;
import dev.inflight.worker.cuda.CudaException;
import dev.inflight.worker.cuda.CudaGpu;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * How much memory of GPUs is free, whoever uses the rest. Has a context on each GPU from opening to closing, which takes
 * some of its memory itself, always the same.
 */
public final class DeviceMemory implements AutoCloseable {
    private static final long POLL_NANOS = 5_000_000;

    private final List<CudaContext> contexts;

    private DeviceMemory(List<CudaContext> contexts) {
        this.contexts = List.copyOf(contexts);
    }

    public static DeviceMemory open(List<CudaGpu> gpus) {
        return new DeviceMemory(gpus.stream().map(CudaGpu::open).toList());
    }

    /** Free bytes of every GPU. */
    public List<Long> freeBytes() {
        return contexts.stream().map(CudaContext::freeBytes).toList();
    }

    /**
     * Looks every 5 ms, until the watch is closed.
     *
     * @param before what was free to compare with
     */
    public Watch watch(List<Long> before) {
        return new Watch(before);
    }

    /** The least that was free. Closed by the thread that began it. */
    public final class Watch implements AutoCloseable {
        private final List<Long> before;
        private final List<Long> least;
        private final Thread poller;
        private volatile boolean over;
        private volatile @Nullable CudaException failure;

        private Watch(List<Long> before) {
            this.before = before;
            this.least = new ArrayList<>(before);
            this.poller = Thread.ofPlatform().name("device-memory").daemon().start(this::poll);
        }

        private void poll() {
            try {
                while (!over) {
                    List<Long> free = freeBytes();
                    for (int i = 0; i < free.size(); i++) {
                        least.set(i, Math.min(least.get(i), free.get(i)));
                    }
                    LockSupport.parkNanos(POLL_NANOS);
                }
            } catch (CudaException e) {
                failure = e;
            }
        }

        /**
         * Ends the watch.
         *
         * @return bytes that were taken at most, beyond what was taken before, on the GPU where that was most
         * @throws CudaException if the driver stopped answering
         */
        public long mostTakenBytes() throws InterruptedException {
            close();
            CudaException failed = failure;
            if (failed != null) {
                throw failed;
            }
            return IntStream.range(0, before.size())
                    .mapToLong(i -> before.get(i) - least.get(i))
                    .max()
                    .orElse(0);
        }

        @Override
        public void close() throws InterruptedException {
            over = true;
            poller.join();
        }
    }

    @Override
    public void close() {
        contexts.forEach(CudaContext::close);
    }
}
