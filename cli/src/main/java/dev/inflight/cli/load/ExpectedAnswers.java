package dev.inflight.cli.load;

import dev.inflight.protocol.checkpoint.CheckpointLayout;
import dev.inflight.protocol.link.AnswerFunction;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Comparator;
import java.util.List;
import java.util.function.IntFunction;
import java.util.function.LongFunction;
import java.util.stream.IntStream;

/** What an engine with exactly one checkpoint's weights must answer, computed from the checkpoint's files. */
public final class ExpectedAnswers implements LongFunction<String> {
    private final List<TensorBytes> tensors;

    /** @param files the mapped bytes of each file, by its index in the layout */
    public ExpectedAnswers(CheckpointLayout layout, IntFunction<MemorySegment> files) {
        List<MemorySegment> mapped =
                IntStream.range(0, layout.files().size()).mapToObj(files).toList();
        this.tensors = layout.tensors().stream()
                .map(tensor -> new TensorBytes(
                        tensor.name(), mapped.get(tensor.file()).asSlice(tensor.begin(), tensor.bytes())))
                .sorted(Comparator.comparing(TensorBytes::name, AnswerFunction.NAME_ORDER))
                .toList();
    }

    @Override
    public String apply(long seed) {
        return AnswerFunction.answer(seed, tensors);
    }

    private record TensorBytes(String name, MemorySegment memory) implements AnswerFunction.Tensor {
        @Override
        public long bytes() {
            return memory.byteSize();
        }

        @Override
        public byte byteAt(long offset) {
            return memory.get(ValueLayout.JAVA_BYTE, offset);
        }
    }
}
