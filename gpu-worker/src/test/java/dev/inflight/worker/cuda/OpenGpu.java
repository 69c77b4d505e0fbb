package dev.inflight.worker.cuda;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;

/** A context with one stream, and host memory to copy from and to. */
final class OpenGpu implements AutoCloseable {
    static final Duration BOUND = Duration.ofSeconds(30);
    private static final long GOLDEN = 0x9E3779B97F4A7C15L;

    final Arena arena = Arena.ofShared();
    final CudaContext context;
    final CudaStream stream;

    private OpenGpu(CudaContext context) {
        this.context = context;
        this.stream = context.newStream();
    }

    static OpenGpu of(int ordinal) {
        var driver = CudaDriver.load().orElseThrow();
        return new OpenGpu(driver.gpus().get(ordinal).open());
    }

    /** Bytes that differ from one place to the next, so that a shifted copy shows. */
    MemorySegment pattern(long bytes, long seed) {
        var memory = arena.allocate(bytes, Long.BYTES);
        long longs = bytes / Long.BYTES;
        for (long i = 0; i < longs; i++) {
            memory.setAtIndex(ValueLayout.JAVA_LONG, i, (i + seed + 1) * GOLDEN);
        }
        for (long i = longs * Long.BYTES; i < bytes; i++) {
            memory.set(ValueLayout.JAVA_BYTE, i, (byte) (i + seed));
        }
        return memory;
    }

    MemorySegment bytesOf(DeviceBuffer buffer, long offset, long length) {
        var host = arena.allocate(Math.max(length, 1)).asSlice(0, length);
        stream.copyOut(buffer, offset, host);
        stream.synchronize();
        return host;
    }

    static boolean same(MemorySegment a, MemorySegment b) {
        return a.byteSize() == b.byteSize() && a.mismatch(b) < 0;
    }

    /** Queues copies that keep the GPU busy for more than ten milliseconds. */
    void keepBusy(DeviceBuffer from, DeviceBuffer to) {
        for (int i = 0; i < 64; i++) {
            stream.copy(from, 0, to, 0, from.bytes());
        }
    }

    @Override
    public void close() {
        stream.synchronize();
        stream.close();
        context.close();
        arena.close();
    }
}
