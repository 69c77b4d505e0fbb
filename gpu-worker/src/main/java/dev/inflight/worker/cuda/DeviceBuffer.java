package dev.inflight.worker.cuda;

import static jcuda.driver.JCudaDriver.cuCtxSynchronize;
import static jcuda.driver.JCudaDriver.cuMemAlloc;
import static jcuda.driver.JCudaDriver.cuMemFree;
import static jcuda.driver.JCudaDriver.cuMemsetD8;

import java.util.Objects;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUresult;

/** A block of GPU memory, freed by closing. {@link CudaContext} has the thread rules. */
public final class DeviceBuffer implements AutoCloseable {
    private final CudaContext context;
    private final Address pointer;
    private final long bytes;

    private DeviceBuffer(CudaContext context, Address pointer, long bytes) {
        this.context = context;
        this.pointer = pointer;
        this.bytes = bytes;
    }

    static DeviceBuffer allocate(CudaContext context, long bytes) {
        if (bytes < 1) {
            throw new IllegalArgumentException(
                    "can not allocate " + bytes + " bytes on " + context.gpu().label());
        }
        var pointer = new Address();
        context.makeCurrent();
        int result = cuMemAlloc(pointer, bytes);
        if (result == CUresult.CUDA_ERROR_OUT_OF_MEMORY) {
            throw new CudaOutOfMemoryException(
                    "cuMemAlloc on " + context.gpu().label() + ": " + CudaException.describe(result),
                    bytes,
                    context.freeBytes(),
                    context.totalBytes());
        }
        context.check("cuMemAlloc of " + bytes + " bytes", result);
        var buffer = new DeviceBuffer(context, pointer, bytes);
        context.take(buffer);
        return buffer;
    }

    public CudaContext context() {
        return context;
    }

    /** Where it begins in the GPU's address space, which all GPUs of a process share. */
    public long address() {
        return pointer.value();
    }

    public long bytes() {
        return bytes;
    }

    /** Sets every byte, and waits until that is done. It does not wait for work on streams. */
    public void fill(byte value) {
        requireOpen();
        context.makeCurrent();
        context.check("cuMemsetD8", cuMemsetD8(pointer, value, bytes));
        context.check("cuCtxSynchronize", cuCtxSynchronize());
    }

    /**
     * The 64-byte CUipcMemHandle by which another process of this machine maps the memory, as long as the buffer is
     * open. The mapping begins at this buffer's address.
     */
    public byte[] ipcHandle() {
        requireOpen();
        context.makeCurrent();
        return IpcHandles.of(this);
    }

    CUdeviceptr at(long offset, long length) {
        requireOpen();
        Objects.checkFromIndexSize(offset, length, bytes);
        return pointer.withByteOffset(offset);
    }

    private void requireOpen() {
        context.requireTaken(this);
    }

    /** Frees the memory, after everything that was queued on the GPU before. */
    @Override
    public void close() {
        if (context.giveBack(this)) {
            context.makeCurrent();
            context.check("cuMemFree", cuMemFree(pointer));
        }
    }

    @Override
    public String toString() {
        return "buffer of " + bytes + " bytes at 0x" + Long.toHexString(address()) + " on "
                + context.gpu().label();
    }

    private static final class Address extends CUdeviceptr {
        long value() {
            return getNativePointer();
        }
    }
}
