package dev.inflight.worker.device;

import dev.inflight.worker.cuda.CudaContext;
import dev.inflight.worker.cuda.PinnedMemory;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Registers host memory with the driver, for all GPUs of this process. Thread-safe. */
public final class CudaPinning implements Pinning {
    private static final Logger LOG = LoggerFactory.getLogger(CudaPinning.class);

    private final CudaContext context;

    /** @param context of any GPU; closed after everything that was pinned */
    public CudaPinning(CudaContext context) {
        this.context = context;
    }

    @Override
    public Pinned pin(MemorySegment memory) {
        if (memory.byteSize() == 0) {
            return () -> {};
        }
        long start = System.nanoTime();
        var pinned = PinnedMemory.register(context, memory);
        long took = System.nanoTime() - start;
        LOG.info("registered {} bytes with the GPUs in {} ms", memory.byteSize(), TimeUnit.NANOSECONDS.toMillis(took));
        return pinned::close;
    }
}
