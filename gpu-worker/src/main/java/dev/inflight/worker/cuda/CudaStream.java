package dev.inflight.worker.cuda;

import static jcuda.driver.JCudaDriver.cuEventRecord;
import static jcuda.driver.JCudaDriver.cuLaunchKernel;
import static jcuda.driver.JCudaDriver.cuMemcpyDtoDAsync;
import static jcuda.driver.JCudaDriver.cuMemcpyDtoHAsync;
import static jcuda.driver.JCudaDriver.cuMemcpyHtoDAsync;
import static jcuda.driver.JCudaDriver.cuMemcpyPeerAsync;
import static jcuda.driver.JCudaDriver.cuStreamCreate;
import static jcuda.driver.JCudaDriver.cuStreamDestroy;
import static jcuda.driver.JCudaDriver.cuStreamSynchronize;
import static jcuda.driver.JCudaDriver.cuStreamWaitEvent;

import java.lang.foreign.MemorySegment;
import jcuda.Pointer;
import jcuda.driver.CUfunction;
import jcuda.driver.CUstream;

/**
 * A queue of work on a GPU. Work on one stream is done in the order in which it was queued; the methods that queue
 * return at once. Memory given to a copy must stay where it is until the copy is done. {@link CudaContext} has the
 * thread rules.
 */
public final class CudaStream implements AutoCloseable {
    private static final int NON_BLOCKING = 1;

    private final CudaContext context;
    private final Handle stream;

    private CudaStream(CudaContext context, Handle stream) {
        this.context = context;
        this.stream = stream;
    }

    static CudaStream create(CudaContext context) {
        var handle = new Handle();
        context.makeCurrent();
        context.check("cuStreamCreate", cuStreamCreate(handle, NON_BLOCKING));
        var stream = new CudaStream(context, handle);
        context.take(stream);
        return stream;
    }

    public CudaContext context() {
        return context;
    }

    /**
     * Queues a copy of all of {@code host} to the buffer. Only {@link PinnedMemory} is copied at full speed and without
     * making the caller wait.
     *
     * @param offset where in the buffer it goes, in bytes
     */
    public void copyIn(MemorySegment host, DeviceBuffer to, long offset) {
        requireOpen();
        requireHere(to);
        var target = to.at(offset, host.byteSize());
        if (host.byteSize() == 0) {
            return;
        }
        var source = HostPointer.to(host);
        context.makeCurrent();
        context.check("cuMemcpyHtoDAsync", cuMemcpyHtoDAsync(target, source, host.byteSize(), stream));
    }

    /**
     * Queues a copy from the buffer that fills {@code host}.
     *
     * @param offset where in the buffer it begins, in bytes
     */
    public void copyOut(DeviceBuffer from, long offset, MemorySegment host) {
        requireOpen();
        requireHere(from);
        if (host.isReadOnly()) {
            throw new IllegalArgumentException("can not copy from " + from + " to read-only host memory");
        }
        var source = from.at(offset, host.byteSize());
        if (host.byteSize() == 0) {
            return;
        }
        var target = HostPointer.to(host);
        context.makeCurrent();
        context.check("cuMemcpyDtoHAsync", cuMemcpyDtoHAsync(target, source, host.byteSize(), stream));
    }

    /**
     * Queues a copy between two buffers, of which at least one is on this stream's GPU. Ranges of the same buffer must
     * not overlap.
     */
    public void copy(DeviceBuffer from, long fromOffset, DeviceBuffer to, long toOffset, long bytes) {
        requireOpen();
        var source = from.at(fromOffset, bytes);
        var target = to.at(toOffset, bytes);
        if (bytes == 0) {
            return;
        }
        if (from.context().sameGpu(to.context())) {
            requireHere(from);
            context.makeCurrent();
            context.check("cuMemcpyDtoDAsync", cuMemcpyDtoDAsync(target, source, bytes, stream));
            return;
        }
        requireHere(from.context().sameGpu(context) ? from : to);
        context.makeCurrent();
        context.check(
                "cuMemcpyPeerAsync from " + from.context() + " to " + to.context(),
                cuMemcpyPeerAsync(
                        target, to.context().handle(), source, from.context().handle(), bytes, stream));
    }

    /**
     * Queues a kernel.
     *
     * @param threads of each thread block
     * @param parameters points to a pointer to each parameter; they are copied before this returns
     */
    void launch(String name, CUfunction kernel, int threadBlocks, int threads, Pointer parameters) {
        requireOpen();
        context.makeCurrent();
        context.check(
                "cuLaunchKernel " + name + " in " + threadBlocks + " blocks of " + threads + " threads",
                cuLaunchKernel(kernel, threadBlocks, 1, 1, threads, 1, 1, 0, stream, parameters, null));
    }

    /** Queues a mark: the event is done when all that was queued before is done. The event must be of this GPU. */
    public void record(CudaEvent event) {
        requireOpen();
        if (!event.context().sameGpu(context)) {
            throw new IllegalArgumentException(event + " can not be recorded on " + this);
        }
        var mark = event.handle();
        context.makeCurrent();
        context.check("cuEventRecord", cuEventRecord(mark, stream));
    }

    /** Queues a wait for what the event, of any GPU, was last recorded for. The caller does not wait. */
    public void waitFor(CudaEvent event) {
        requireOpen();
        var mark = event.handle();
        context.makeCurrent();
        context.check("cuStreamWaitEvent", cuStreamWaitEvent(stream, mark, 0));
    }

    /** Blocks the calling thread until all that was queued is done; without a bound, unlike {@link CudaEvent#await}. */
    public void synchronize() {
        requireOpen();
        context.makeCurrent();
        context.check("cuStreamSynchronize", cuStreamSynchronize(stream));
    }

    /** The CUstream itself, for libraries that queue their own work on it. */
    public long handle() {
        requireOpen();
        return stream.value();
    }

    private void requireOpen() {
        context.requireTaken(this);
    }

    private void requireHere(DeviceBuffer buffer) {
        if (!buffer.context().sameGpu(context)) {
            throw new IllegalArgumentException(buffer + " can not be used on " + this);
        }
    }

    /** Returns at once; what is queued is still done. */
    @Override
    public void close() {
        if (context.giveBack(this)) {
            context.makeCurrent();
            context.check("cuStreamDestroy", cuStreamDestroy(stream));
        }
    }

    @Override
    public String toString() {
        return "stream 0x" + Long.toHexString(stream.value()) + " on "
                + context.gpu().label();
    }

    private static final class Handle extends CUstream {
        long value() {
            return getNativePointer();
        }
    }
}
