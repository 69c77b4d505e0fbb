package dev.inflight.cli.model;

import static org.assertj.core.api.Assertions.assertThat;

import dev.inflight.protocol.link.SliceException;
import dev.inflight.protocol.link.SliceRule;
import dev.inflight.protocol.link.TensorParallel;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class DecoderSlicesTest {
    private static final long MIB = 1 << 20;

    @ParameterizedTest
    @CsvSource({"16, 2", "16, 4", "64, 2", "256, 8", "4096, 2", "16384, 8"})
    void everyTensorOfAModelCanBeCutOrIsHeldWhole(long mib, int size) throws SliceException {
        List<ModelTensor> tensors = SizedModel.of(mib * MIB).tensors();
        TensorParallel share = new TensorParallel(size - 1, size, DecoderSlices.of(tensors, size));
        long held = 0;
        for (ModelTensor tensor : tensors) {
            held += share.slice(tensor.name(), tensor.dtype(), tensor.shape()).bytes();
        }
        long bytes = tensors.stream().mapToLong(ModelTensor::bytes).sum();
        assertThat(held).isBetween(bytes / size, bytes / 2 + bytes / 10);
    }

    @Test
    void projectionsAreCutByOutputOrByInput() {
        List<SliceRule> rules = DecoderSlices.of(ModelCatalog.tensors("qwen3-8b"), 2);
        assertThat(rules)
                .contains(new SliceRule("*.q_proj.weight", 0), new SliceRule("*.o_proj.weight", 1))
                .contains(new SliceRule("*lm_head.weight", 0), new SliceRule("*.down_proj.weight", 1))
                .hasSize(9);
    }

    @Test
    void whatCanNotBeCutEverywhereIsHeldWhole() {
        List<ModelTensor> tensors = ModelCatalog.tensors("smollm2-135m");
        // 576 wide, 192 of it keys, 49152 words: 5 divides none of them.
        assertThat(DecoderSlices.of(tensors, 5)).isEmpty();
        assertThat(DecoderSlices.of(List.of(), 2)).isEmpty();
    }
}
