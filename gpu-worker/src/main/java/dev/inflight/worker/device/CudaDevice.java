package dev.inflight.worker.device;

import dev.inflight.protocol.link.EngineDevice;
import dev.inflight.worker.cuda.BlockSummer;
import dev.inflight.worker.cuda.CudaContext;
import dev.inflight.worker.cuda.CudaOutOfMemoryException;
import dev.inflight.worker.cuda.CudaStream;
import dev.inflight.worker.cuda.DeviceBuffer;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;

/** A GPU. Its rings are plain allocations that an engine maps by their CUDA IPC handle. */
public final class CudaDevice implements Device {
    private final CudaContext context;
    private final long slotMemoryBytes;
    private final double memoryFraction;
    private final SlotPool<DeviceBuffer> pool;
    private final HostDevice host;
    private final Deque<CudaStream> idleStreams = new ArrayDeque<>();
    private boolean closed;
    private final Lazy<BlockSummer> summer;

    /**
     * @param context the GPU's; closed with this device
     * @param slotMemoryBytes most memory that one ring may take
     * @param memoryFraction most of the GPU's free memory that one ring may take, above 0 and at most 1
     * @param pinning for memory through which bytes come from a socket
     */
    public CudaDevice(
            CudaContext context, long slotMemoryBytes, double memoryFraction, ShmNames names, Pinning pinning) {
        this.context = context;
        this.slotMemoryBytes = slotMemoryBytes;
        this.memoryFraction = memoryFraction;
        this.pool = new SlotPool<>(context::allocate, DeviceBuffer::bytes, DeviceBuffer::close);
        this.summer = new Lazy<>(() -> BlockSummer.load(context));
        this.host = new HostDevice(names, slotMemoryBytes, pinning);
    }

    public CudaContext context() {
        return context;
    }

    /** An idle stream, to be given back when all that was queued on it is done: making one takes long. */
    public synchronized CudaStream takeStream() {
        var idle = idleStreams.poll();
        return idle == null ? context.newStream() : idle;
    }

    /** Nothing may be left on it. */
    public synchronized void giveBack(CudaStream stream) {
        if (closed) {
            stream.close();
        } else {
            idleStreams.push(stream);
        }
    }

    /** Computes checksums on this GPU. */
    public BlockSummer summer() {
        return summer.get();
    }

    @Override
    public String id() {
        return context.gpu().uuid();
    }

    @Override
    public Optional<String> refusal(EngineDevice engine) {
        if (id().equals(engine.uuid())) {
            return Optional.empty();
        }
        return Optional.of("this worker's GPU is " + id() + " but the engine's parameters are on "
                + (engine.uuid() == null ? "the host" : engine.uuid())
                + "; start the engine on that GPU or give it the socket of its own GPU's worker");
    }

    /** Memory that idle rings hold counts as free. */
    @Override
    public long slotBudgetBytes() {
        long free = context.freeBytes() + pool.idleBytes();
        return Math.min(slotMemoryBytes, (long) (memoryFraction * free));
    }

    @Override
    public CudaSlotRing slots(int count, long slotBytes) {
        long bytes = DeviceMemoryException.requireWithin(count, slotBytes, slotMemoryBytes);
        try {
            var buffer = pool.take(bytes);
            return new CudaSlotRing(buffer, count, slotBytes, pool.lease(buffer));
        } catch (CudaOutOfMemoryException e) {
            throw new DeviceMemoryException(String.valueOf(e.getMessage()), e);
        }
    }

    @Override
    public HostSlotRing hostSlots(int count, long slotBytes) {
        return host.slots(count, slotBytes);
    }

    @Override
    public int ringsOut() {
        return pool.out() + host.ringsOut();
    }

    @Override
    public void close() {
        host.close();
        pool.close();
        closed = true;
        idleStreams.forEach(CudaStream::close);
        idleStreams.clear();
        summer.ifMade(BlockSummer::close);
        if (pool.out() == 0) {
            context.close();
        }
    }
}
