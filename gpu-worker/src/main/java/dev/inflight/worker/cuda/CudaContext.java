package dev.inflight.worker.cuda;

import static jcuda.driver.JCudaDriver.cuCtxEnablePeerAccess;
import static jcuda.driver.JCudaDriver.cuCtxSetCurrent;
import static jcuda.driver.JCudaDriver.cuDeviceCanAccessPeer;
import static jcuda.driver.JCudaDriver.cuDeviceGetAttribute;
import static jcuda.driver.JCudaDriver.cuDevicePrimaryCtxRelease;
import static jcuda.driver.JCudaDriver.cuDevicePrimaryCtxRetain;
import static jcuda.driver.JCudaDriver.cuMemGetInfo;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Collectors;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUresult;

/**
 * The primary context of a GPU, and the owner of everything taken from it. Streams, events, buffers and registered
 * memory must be closed before it.
 *
 * <p>Every method here, and every method of what is taken from here, first makes the context current for the calling
 * thread, which is cheap: callers may come from any thread and need not care which GPU it used before. All are
 * thread-safe, except that closing an object must not overlap with other calls on it.
 */
public final class CudaContext implements AutoCloseable {
    private final CudaGpu gpu;
    private final CUdevice device;
    private final CUcontext handle;
    private final Set<AutoCloseable> taken = ConcurrentHashMap.newKeySet();
    private final AtomicBoolean closed = new AtomicBoolean();

    private CudaContext(CudaGpu gpu, CUdevice device, CUcontext handle) {
        this.gpu = gpu;
        this.device = device;
        this.handle = handle;
    }

    static CudaContext retain(CudaGpu gpu) {
        JCudaNatives.require();
        var device = CudaGpu.device(gpu.ordinal(), gpu.label());
        var handle = new CUcontext();
        CudaException.check("cuDevicePrimaryCtxRetain", gpu.label(), cuDevicePrimaryCtxRetain(handle, device));
        return new CudaContext(gpu, device, handle);
    }

    public CudaGpu gpu() {
        return gpu;
    }

    /** Makes the context current for the calling thread, for libraries that expect it, such as NCCL. */
    public void makeCurrent() {
        requireOpen();
        check("cuCtxSetCurrent", cuCtxSetCurrent(handle));
    }

    /** A stream that does not wait for the default stream, nor lets it wait. */
    public CudaStream newStream() {
        return CudaStream.create(this);
    }

    public CudaEvent newEvent() {
        return CudaEvent.create(this);
    }

    /**
     * Allocates memory that other processes can map by its IPC handle.
     *
     * @param bytes at least 1
     * @throws CudaOutOfMemoryException if the GPU has not as much
     */
    public DeviceBuffer allocate(long bytes) {
        return DeviceBuffer.allocate(this, bytes);
    }

    /** Free memory of the GPU, whoever uses the rest. */
    public long freeBytes() {
        return memoryInfo()[0];
    }

    public long totalBytes() {
        return memoryInfo()[1];
    }

    private long[] memoryInfo() {
        long[] free = new long[1];
        long[] total = new long[1];
        makeCurrent();
        check("cuMemGetInfo", cuMemGetInfo(free, total));
        return new long[] {free[0], total[0]};
    }

    /** Whether this GPU can read and write the peer's memory directly; true for the same GPU. */
    public boolean canAccess(CudaContext peer) {
        if (sameGpu(peer)) {
            return true;
        }
        int[] can = new int[1];
        makeCurrent();
        check("cuDeviceCanAccessPeer", cuDeviceCanAccessPeer(can, device, peer.device));
        return can[0] != 0;
    }

    /**
     * Lets this GPU read and write the peer's memory directly, in this direction only. Enabled already is fine. Copies
     * between GPUs work without it, through host memory.
     */
    public void enablePeerAccess(CudaContext peer) {
        if (sameGpu(peer)) {
            return;
        }
        peer.requireOpen();
        makeCurrent();
        int result = cuCtxEnablePeerAccess(peer.handle, 0);
        if (result != CUresult.CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED) {
            check("cuCtxEnablePeerAccess to " + peer.gpu.label(), result);
        }
    }

    boolean sameGpu(CudaContext other) {
        return gpu.ordinal() == other.gpu.ordinal();
    }

    /** @param attribute a CUdevice_attribute that is 0 or 1 */
    boolean has(int attribute) {
        return attribute(attribute) != 0;
    }

    /** @param attribute a CUdevice_attribute */
    int attribute(int attribute) {
        int[] value = new int[1];
        makeCurrent();
        check("cuDeviceGetAttribute " + attribute, cuDeviceGetAttribute(value, attribute, device));
        return value[0];
    }

    CUcontext handle() {
        return handle;
    }

    void check(String call, int result) {
        CudaException.check(call, gpu.label(), result);
    }

    void take(AutoCloseable resource) {
        taken.add(resource);
    }

    /** False if it was given back before: closing twice does nothing. */
    boolean giveBack(AutoCloseable resource) {
        return taken.remove(resource);
    }

    void requireTaken(AutoCloseable resource) {
        if (!taken.contains(resource)) {
            throw new IllegalStateException(resource + " is closed");
        }
    }

    private void requireOpen() {
        if (closed.get()) {
            throw new IllegalStateException(this + " is closed");
        }
    }

    /** @throws IllegalStateException naming what is still open; the context then stays open too */
    @Override
    public void close() {
        if (!taken.isEmpty()) {
            throw new IllegalStateException(this + " can not be closed before "
                    + taken.stream().map(Object::toString).sorted().collect(Collectors.joining("; ")));
        }
        if (closed.compareAndSet(false, true)) {
            check("cuDevicePrimaryCtxRelease", cuDevicePrimaryCtxRelease(device));
        }
    }

    @Override
    public String toString() {
        return "context of " + gpu.label();
    }
}
