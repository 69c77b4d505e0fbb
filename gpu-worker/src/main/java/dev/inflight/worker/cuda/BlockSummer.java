package dev.inflight.worker.cuda;

import static jcuda.driver.CUdevice_attribute.CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import jcuda.Pointer;
import jcuda.driver.CUfunction;

/**
 * Computes CRC32C on a GPU, of what lies in its own memory, with the kernel of crc32c.cu. The driver compiles it when
 * the summer is loaded, so that belongs to the start of a process. {@link CudaContext} has the thread rules.
 */
public final class BlockSummer implements AutoCloseable {
    /** Ranges that can be asked for at once: 4 GiB in blocks of 1 MiB. */
    public static final int MAX_RANGES = 4096;
    /** {@link Sums} that can be open at once; each has 64 KiB of host memory, which is kept. */
    public static final int MAX_OPEN = 256;

    /** {@link Sums} that need no new memory, which the driver may stop for. */
    private static final int PREPARED = 8;

    static final String RESOURCE = "crc32c.ptx";
    static final String KERNEL = "crc32c_blocks";
    /** THREADS in crc32c.cu. */
    static final int THREADS = 512;
    /** As many as an SM can hold at a time; more ranges are done one after the other. */
    private static final int THREAD_BLOCKS_PER_SM = 4;

    private final CudaContext context;
    private final CudaModule module;
    private final CUfunction kernel;
    private final int maxThreadBlocks;
    private final Deque<SumMemory> idle = new ArrayDeque<>();
    private int allocated;
    private boolean closed;

    private BlockSummer(CudaContext context, CudaModule module, CUfunction kernel, int maxThreadBlocks) {
        this.context = context;
        this.module = module;
        this.kernel = kernel;
        this.maxThreadBlocks = maxThreadBlocks;
    }

    /**
     * @param context it must be closed after this
     * @throws CudaException if the driver does not take the kernel; with the log of its compiler
     */
    public static BlockSummer load(CudaContext context) {
        int multiprocessors = context.attribute(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
        var summer = withKernel(context, multiprocessors * THREAD_BLOCKS_PER_SM);
        try {
            summer.prepare();
            return summer;
        } catch (RuntimeException e) {
            summer.close();
            throw e;
        }
    }

    private static BlockSummer withKernel(CudaContext context, int maxThreadBlocks) {
        var module = CudaModule.load(context, RESOURCE);
        try {
            return new BlockSummer(context, module, module.function(KERNEL), maxThreadBlocks);
        } catch (RuntimeException e) {
            module.close();
            throw e;
        }
    }

    private synchronized void prepare() {
        while (allocated < PREPARED) {
            idle.add(allocate());
        }
    }

    /**
     * Queues the sums of what the ranges hold when the stream gets there. The buffers must stay open until that is
     * done.
     *
     * @param stream of this GPU
     * @param ranges at most {@link #MAX_RANGES}, of buffers of this GPU, of any length and at any offset; multiples of
     *     16 bytes are fast
     * @throws IllegalStateException if {@link #MAX_OPEN} are open
     */
    public Sums start(CudaStream stream, List<DeviceRange> ranges) {
        requireHere(stream, ranges);
        var memory = takeMemory();
        try {
            memory.ask(ranges);
            if (!ranges.isEmpty()) {
                launch(stream, memory, ranges.size());
            }
            stream.record(memory.done());
        } catch (RuntimeException e) {
            giveBack(memory);
            throw e;
        }
        return new Sums(this, memory, ranges.size());
    }

    private void launch(CudaStream stream, SumMemory memory, int count) {
        var parameters = Pointer.to(Pointer.to(new long[] {memory.address()}), Pointer.to(new int[] {count}));
        stream.launch(KERNEL, kernel, Math.min(count, maxThreadBlocks), THREADS, parameters);
    }

    private void requireHere(CudaStream stream, List<DeviceRange> ranges) {
        if (!stream.context().sameGpu(context)) {
            throw new IllegalArgumentException(this + " can not be used on " + stream);
        }
        if (ranges.size() > MAX_RANGES) {
            throw new IllegalArgumentException(
                    this + " takes at most " + MAX_RANGES + " ranges at once, not " + ranges.size());
        }
        for (var range : ranges) {
            if (!range.buffer().context().sameGpu(context)) {
                throw new IllegalArgumentException(this + " can not read " + range.buffer());
            }
        }
    }

    private synchronized SumMemory takeMemory() {
        if (closed) {
            throw new IllegalStateException(this + " is closed");
        }
        var ready = idle.stream().filter(memory -> memory.done().isDone()).findFirst();
        if (ready.isPresent()) {
            idle.remove(ready.get());
            return ready.get();
        }
        if (allocated == MAX_OPEN) {
            throw new IllegalStateException(
                    this + ": " + MAX_OPEN + " sums are open or still in the GPU's queue, which is the most");
        }
        return allocate();
    }

    private synchronized SumMemory allocate() {
        var memory = SumMemory.allocate(context);
        allocated++;
        return memory;
    }

    synchronized void giveBack(SumMemory memory) {
        idle.add(memory);
    }

    /** @throws IllegalStateException if sums are open or the GPU is not done with them; this then stays open too */
    @Override
    public synchronized void close() {
        if (closed) {
            return;
        }
        busy().ifPresent(reason -> {
            throw new IllegalStateException(this + " can not be closed: " + reason);
        });
        closed = true;
        idle.forEach(SumMemory::close);
        module.close();
    }

    private Optional<String> busy() {
        if (idle.size() < allocated) {
            return Optional.of(allocated - idle.size() + " sums are open");
        }
        return idle.stream().allMatch(memory -> memory.done().isDone())
                ? Optional.empty()
                : Optional.of("the GPU is not done with sums that were closed");
    }

    @Override
    public String toString() {
        return "block summer of " + context.gpu().label();
    }
}
