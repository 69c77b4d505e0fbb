package dev.inflight.worker.cuda;

import java.lang.foreign.ValueLayout;
import java.util.List;

/**
 * What a kernel is asked and answers, for up to {@link BlockSummer#MAX_RANGES} ranges: the layout of {@code Block} in
 * crc32c.cu. Used again when the kernel that used it last is done.
 */
final class SumMemory implements AutoCloseable {
    private static final int LENGTH = 8;
    private static final int CRC = 12;
    private static final int ENTRY_BYTES = 16;

    private final MappedMemory mapped;
    private final CudaEvent done;

    private SumMemory(MappedMemory mapped, CudaEvent done) {
        this.mapped = mapped;
        this.done = done;
    }

    static SumMemory allocate(CudaContext context) {
        var mapped = MappedMemory.allocate(context, BlockSummer.MAX_RANGES * ENTRY_BYTES);
        try {
            return new SumMemory(mapped, context.newEvent());
        } catch (RuntimeException e) {
            mapped.close();
            throw e;
        }
    }

    void ask(List<DeviceRange> ranges) {
        var memory = mapped.memory();
        long at = 0;
        for (var range : ranges) {
            memory.set(ValueLayout.JAVA_LONG, at, range.address());
            memory.set(ValueLayout.JAVA_INT, at + LENGTH, range.length());
            memory.set(ValueLayout.JAVA_INT, at + CRC, 0);
            at += ENTRY_BYTES;
        }
    }

    int crc(int index) {
        return mapped.memory().get(ValueLayout.JAVA_INT, (long) index * ENTRY_BYTES + CRC);
    }

    long address() {
        return mapped.memory().address();
    }

    /** Recorded after the kernel; done before there ever was one. */
    CudaEvent done() {
        return done;
    }

    @Override
    public void close() {
        done.close();
        mapped.close();
    }
}
