package dev.inflight.protocol.link;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.inflight.protocol.checkpoint.Dtype;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TensorSliceTest {
    private static final TensorParallel SECOND_OF_TWO =
            new TensorParallel(1, 2, List.of(new SliceRule("*.o.weight", 1), new SliceRule("*.weight", 0)));

    @Test
    void theFirstRuleThatMatchesCounts() throws SliceException {
        assertThat(SECOND_OF_TWO.slice("a.o.weight", Dtype.BF16, List.of(4L, 6L)))
                .isEqualTo(new TensorSlice(List.of(4L, 3L), 12, 6, 6, 4));
        assertThat(SECOND_OF_TWO.slice("a.q.weight", Dtype.BF16, List.of(4L, 6L)))
                .isEqualTo(new TensorSlice(List.of(2L, 6L), 48, 24, 24, 1));
        assertThat(SECOND_OF_TWO.slice("a.q.bias", Dtype.BF16, List.of(5L)).isWhole())
                .isTrue();
    }

    @Test
    void aTensorOfZeroBytesHasPartsOfZeroBytes() throws SliceException {
        TensorSlice slice = SECOND_OF_TWO.slice("a.q.weight", Dtype.F16, List.of(4L, 0L));
        assertThat(slice.shape()).containsExactly(2L, 0L);
        assertThat(slice.bytes()).isZero();
        assertThat(slice.local(0)).isZero();
        assertThat(slice.runs(0, 0)).isEmpty();
    }

    @Test
    void whatCanNotBeCutIsRefusedByNameShapeAndSize() {
        assertThatThrownBy(() -> SECOND_OF_TWO.slice("a.q.weight", Dtype.BF16, List.of(3L, 4L)))
                .isInstanceOf(SliceException.class)
                .hasMessage("tensor \"a.q.weight\" of shape [3, 4] can not be cut into 2 equal parts (tpSize 2):"
                        + " dimension 0 has 3 elements");
        assertThatThrownBy(() -> SECOND_OF_TWO.slice("a.o.weight", Dtype.BF16, List.of(4L)))
                .isInstanceOf(SliceException.class)
                .hasMessageContainingAll("a.o.weight", "[4]", "tpSize 2", "it has no dimension 1");
        assertThatThrownBy(() -> SECOND_OF_TWO.slice("a.o.weight", Dtype.F4, List.of(4L, 2L)))
                .isInstanceOf(SliceException.class)
                .hasMessageContainingAll("a.o.weight", "F4", "whole number of bytes");
    }

    @Test
    void aRankIsOneOfItsGroup() {
        assertThatThrownBy(() -> new TensorParallel(2, 2, List.of())).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> new TensorParallel(0, 0, List.of())).isInstanceOf(IllegalArgumentException.class);
    }

    @ParameterizedTest
    @CsvSource({
        "a.b, a.b, true",
        "a.b, a.bc, false",
        "a?b, axb, false",
        "*, anything, true",
        "*, '', true",
        "a*, a, true",
        "*.weight, model.layers.0.q.weight, true",
        "*.weight, weight, false",
        "a*a, a, false",
        "a*a, aa, true",
        "*q*w*, q.w, true",
        "*q*w*, w.q, false",
        "layers.*.o.*, layers.11.mlp.o.weight, true",
        "*ab*b, ab, false",
        "**x, x, true",
    })
    void aStarStandsForAnyRunOfCharacters(String pattern, String name, boolean matches) {
        assertThat(new SliceRule(pattern, 0).matches(name)).isEqualTo(matches);
    }
}
