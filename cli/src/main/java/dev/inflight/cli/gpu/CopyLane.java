package dev.inflight.cli.gpu;

import dev.inflight.worker.cuda.CudaContext;
import dev.inflight.worker.cuda.CudaEvent;
import dev.inflight.worker.cuda.CudaGpu;
import dev.inflight.worker.cuda.CudaStream;
import dev.inflight.worker.cuda.DeviceBuffer;
import dev.inflight.worker.device.CudaPinning;
import dev.inflight.worker.device.SharedMemory;
import dev.inflight.worker.device.ShmNames;
import java.time.Duration;

/** Copies from a registered piece of shared memory to one GPU. Used by one thread. */
final class CopyLane implements AutoCloseable {
    /** A thousand times what a copy takes; a GPU that hangs must not hang us. */
    private static final Duration LIMIT = Duration.ofSeconds(30);

    private final CudaContext context;
    private final DeviceBuffer buffer;
    private final CudaStream stream;
    private final CudaEvent copied;
    private final SharedMemory host;

    /** What it has taken when this fails ends with the process, except for shared memory, which is taken last. */
    CopyLane(CudaGpu gpu, long bytes, ShmNames names) {
        context = gpu.open();
        buffer = context.allocate(bytes);
        stream = context.newStream();
        copied = context.newEvent();
        host = SharedMemory.create(names.fresh("gpu" + gpu.ordinal()), bytes, new CudaPinning(context));
    }

    /** Queues a copy of all bytes. */
    void begin() {
        stream.copyIn(host.segment(), buffer, 0);
        stream.record(copied);
    }

    /** Waits until the copy is done. */
    void await() throws InterruptedException {
        copied.await(LIMIT);
    }

    @Override
    public void close() {
        stream.synchronize();
        host.close();
        copied.close();
        stream.close();
        buffer.close();
        context.close();
    }
}
