package dev.inflight.engine;

import dev.inflight.protocol.link.AnswerFunction;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** One named tensor in host memory, or the slice of it that the engine holds. */
record Parameter(String name, LoadProgress.Shape shape, MemorySegment memory) implements AnswerFunction.Tensor {
    @Override
    public long bytes() {
        return memory.byteSize();
    }

    @Override
    public byte byteAt(long offset) {
        return memory.get(ValueLayout.JAVA_BYTE, offset);
    }
}
