package dev.inflight.cli.load;

import dev.inflight.protocol.checkpoint.CheckpointLayout;
import dev.inflight.protocol.checkpoint.TensorSpec;
import dev.inflight.protocol.link.AnswerFunction;
import dev.inflight.protocol.link.SliceException;
import dev.inflight.protocol.link.TensorParallel;
import dev.inflight.protocol.link.TensorSlice;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Comparator;
import java.util.List;
import java.util.function.IntFunction;
import java.util.function.LongFunction;
import java.util.stream.IntStream;

/** What an engine with exactly one checkpoint's weights, or its slices of them, must answer, computed from the checkpoint's files. */
public final class ExpectedAnswers implements LongFunction<String> {
    private final List<TensorBytes> tensors;

    /** @param files the mapped bytes of each file, by its index in the layout */
    public ExpectedAnswers(CheckpointLayout layout, IntFunction<MemorySegment> files) {
        this(layout, files, TensorParallel.NONE);
    }

    /**
     * @param files the mapped bytes of each file, by its index in the layout
     * @param share what the engine holds; it must be able to cut the tensors
     */
    public ExpectedAnswers(CheckpointLayout layout, IntFunction<MemorySegment> files, TensorParallel share) {
        List<MemorySegment> mapped =
                IntStream.range(0, layout.files().size()).mapToObj(files).toList();
        this.tensors = layout.tensors().stream()
                .map(tensor -> new TensorBytes(
                        tensor.name(),
                        slice(tensor, share),
                        mapped.get(tensor.file()).asSlice(tensor.begin(), tensor.bytes())))
                .sorted(Comparator.comparing(TensorBytes::name, AnswerFunction.NAME_ORDER))
                .toList();
    }

    @Override
    public String apply(long seed) {
        return AnswerFunction.answer(seed, tensors);
    }

    private static TensorSlice slice(TensorSpec tensor, TensorParallel share) {
        try {
            return share.slice(tensor.name(), tensor.dtype(), tensor.shape());
        } catch (SliceException e) {
            throw new IllegalArgumentException(e);
        }
    }

    /** @param memory all of the tensor's bytes */
    private record TensorBytes(String name, TensorSlice slice, MemorySegment memory) implements AnswerFunction.Tensor {
        @Override
        public long bytes() {
            return slice.bytes();
        }

        @Override
        public byte byteAt(long offset) {
            return memory.get(ValueLayout.JAVA_BYTE, slice.full(offset));
        }
    }
}
