package dev.inflight.worker.cuda;

import static jcuda.driver.JCudaDriver.CU_MEMHOSTALLOC_DEVICEMAP;
import static jcuda.driver.JCudaDriver.CU_MEMHOSTALLOC_PORTABLE;
import static jcuda.driver.JCudaDriver.cuMemFreeHost;
import static jcuda.driver.JCudaDriver.cuMemHostAlloc;

import java.lang.foreign.MemorySegment;
import jcuda.Pointer;

/**
 * A little host memory that kernels read and write, at the address that it has for the host: what the driver itself
 * allocates is so by unified addressing, unlike memory that is only registered. What a kernel wrote is there once an
 * event after it is done. {@link CudaContext} has the thread rules.
 */
final class MappedMemory implements AutoCloseable {
    private final CudaContext context;
    private final Pointer pointer;
    private final MemorySegment memory;

    private MappedMemory(CudaContext context, Pointer pointer, MemorySegment memory) {
        this.context = context;
        this.pointer = pointer;
        this.memory = memory;
    }

    static MappedMemory allocate(CudaContext context, int bytes) {
        var pointer = new Pointer();
        context.makeCurrent();
        context.check(
                "cuMemHostAlloc of " + bytes + " bytes",
                cuMemHostAlloc(pointer, bytes, CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP));
        var memory = MemorySegment.ofBuffer(pointer.getByteBuffer(0, bytes));
        var mapped = new MappedMemory(context, pointer, memory);
        context.take(mapped);
        return mapped;
    }

    /** Not to be used once this is closed, which nothing checks. */
    MemorySegment memory() {
        return memory;
    }

    /** Must come after the last kernel that uses it. */
    @Override
    public void close() {
        if (context.giveBack(this)) {
            context.makeCurrent();
            context.check("cuMemFreeHost", cuMemFreeHost(pointer));
        }
    }

    @Override
    public String toString() {
        return "mapped memory of " + memory.byteSize() + " bytes at 0x" + Long.toHexString(memory.address()) + " on "
                + context.gpu().label();
    }
}
