package dev.inflight.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.inflight.protocol.checkpoint.Dtype;
import dev.inflight.protocol.link.TensorSlice;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class WeightHealthTest {
    private static Parameter parameter(String name, Dtype dtype, byte fill) {
        byte[] bytes = new byte[1000 * dtype.bits() / 8];
        Arrays.fill(bytes, fill);
        long size = bytes.length;
        TensorSlice all = new TensorSlice(List.of(1000L), size, 0, size, 1);
        return new Parameter(
                name, new LoadProgress.Shape(dtype, List.of(1000L), size, all), MemorySegment.ofArray(bytes));
    }

    @ParameterizedTest
    @EnumSource(
            value = Dtype.class,
            names = {"BF16", "F16", "F32", "F64"})
    void findsATensorOfNaNs(Dtype dtype) {
        Parameter good = parameter("good", dtype, (byte) 0x3A);
        assertThat(WeightHealth.problem(List.of(good))).isNull();
        assertThat(WeightHealth.problem(List.of(good, parameter("bad", dtype, (byte) -1))))
                .isEqualTo("tensor \"bad\" is not finite at element 0");
    }

    @Test
    void looksAtFloatingPointOnly() {
        assertThat(WeightHealth.problem(
                        List.of(parameter("index", Dtype.I64, (byte) -1), parameter("mask", Dtype.F4, (byte) -1))))
                .isNull();
    }
}
