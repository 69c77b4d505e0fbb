package dev.inflight.worker.cuda;

import static jcuda.driver.CUdevice_attribute.CU_DEVICE_ATTRIBUTE_READ_ONLY_HOST_REGISTER_SUPPORTED;
import static jcuda.driver.JCudaDriver.CU_MEMHOSTREGISTER_PORTABLE;
import static jcuda.driver.JCudaDriver.CU_MEMHOSTREGISTER_READ_ONLY;
import static jcuda.driver.JCudaDriver.cuMemHostRegister;
import static jcuda.driver.JCudaDriver.cuMemHostUnregister;

import java.lang.foreign.MemorySegment;

/**
 * Host memory whose pages are locked, so that every GPU copies it at full speed and without a detour. Locking 16 GB
 * takes about a second once the pages exist. Closing unlocks it, and must come before the memory is unmapped and after
 * the last copy is done. {@link CudaContext} has the thread rules.
 */
public final class PinnedMemory implements AutoCloseable {
    private final CudaContext context;
    private final MemorySegment memory;

    private PinnedMemory(CudaContext context, MemorySegment memory) {
        this.context = context;
        this.memory = memory;
    }

    /**
     * Locks the pages of {@code memory} for all GPUs. Pages must not be registered already, by whomever.
     *
     * @param any of any GPU; it must be closed after this
     * @param memory native memory, such as a mapping of shared memory; a read-only segment is registered for reading
     */
    public static PinnedMemory register(CudaContext any, MemorySegment memory) {
        if (memory.byteSize() == 0) {
            throw new IllegalArgumentException("can not register memory of 0 bytes");
        }
        var pointer = HostPointer.to(memory);
        int flags = flags(any, memory);
        any.makeCurrent();
        any.check(
                "cuMemHostRegister of " + memory.byteSize() + " bytes, flags " + flags,
                cuMemHostRegister(pointer, memory.byteSize(), flags));
        var pinned = new PinnedMemory(any, memory);
        any.take(pinned);
        return pinned;
    }

    /** Pages mapped without write permission can be registered only with a flag that not every device knows. */
    private static int flags(CudaContext any, MemorySegment memory) {
        if (memory.isReadOnly() && any.has(CU_DEVICE_ATTRIBUTE_READ_ONLY_HOST_REGISTER_SUPPORTED)) {
            return CU_MEMHOSTREGISTER_PORTABLE | CU_MEMHOSTREGISTER_READ_ONLY;
        }
        return CU_MEMHOSTREGISTER_PORTABLE;
    }

    public MemorySegment memory() {
        return memory;
    }

    @Override
    public void close() {
        if (context.giveBack(this)) {
            context.makeCurrent();
            context.check("cuMemHostUnregister", cuMemHostUnregister(HostPointer.to(memory)));
        }
    }

    @Override
    public String toString() {
        return "registered memory of " + memory.byteSize() + " bytes at 0x" + Long.toHexString(memory.address())
                + " by " + context.gpu().label();
    }
}
