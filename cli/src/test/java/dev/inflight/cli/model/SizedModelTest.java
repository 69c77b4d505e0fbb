package dev.inflight.cli.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.assertj.core.data.Percentage;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SizedModelTest {
    private static final long KIB = 1 << 10;
    private static final long MIB = 1 << 20;

    @Test
    void aQuarterGibibyteIsAllOfSmolLm2() {
        SizedModel model = SizedModel.of(256 * MIB);

        assertThat(model.model()).isEqualTo("smollm2-135m");
        assertThat(model.layers()).isEqualTo(30);
        assertThat(model.tensors()).isEqualTo(ModelCatalog.tensors("smollm2-135m"));
    }

    @ParameterizedTest
    @ValueSource(longs = {128, 256, 512, 1024, 2048, 4096, 16384, 32768})
    void largeSizesAreMetWithin5Percent(long mib) {
        SizedModel model = SizedModel.of(mib * MIB);

        assertThat(model.bytes()).isCloseTo(mib * MIB, Percentage.withPercentage(5));
    }

    @ParameterizedTest
    @ValueSource(longs = {64, 100, 256, 1024, 16 * 1024, 63 * 1024})
    void smallSizesAreMetWithin1Percent(long kib) {
        SizedModel model = SizedModel.of(kib * KIB);

        assertThat(model.bytes()).isCloseTo(kib * KIB, Percentage.withPercentage(1));
        assertThat(model.layers()).isGreaterThanOrEqualTo(2);
        assertThat(model.tensors())
                .allSatisfy(tensor -> assertThat(tensor.bytes()).isPositive());
    }

    @ParameterizedTest
    @ValueSource(longs = {1024, 2048})
    void gibibytesAreQwenWithItsEmbeddings(long mib) {
        SizedModel model = SizedModel.of(mib * MIB);

        assertThat(model.model()).startsWith("qwen3-");
        assertThat(model.tensors().getFirst().shape().getFirst()).isEqualTo(151936);
    }

    @Test
    void lessThanTheSmallestIsRefused() {
        assertThatThrownBy(() -> SizedModel.of(1000))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("a model of 1000 bytes was asked for; the smallest has 65536");
    }
}
