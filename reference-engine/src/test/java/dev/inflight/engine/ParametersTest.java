package dev.inflight.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.inflight.protocol.checkpoint.Dtype;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.link.TensorSlice;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ParametersTest {
    private static final LoadProgress.Shape SHAPE =
            new LoadProgress.Shape(Dtype.U8, List.of(8L), 8, new TensorSlice(List.of(8L), 8, 0, 8, 1));

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void theFirstShadowLoadGoesToASecondSetWithTheSameTensors(boolean reserveShadow) {
        Parameters parameters = new Parameters(reserveShadow, WarmMemory.touch(0));
        parameters.prepare(LoadMode.IN_PLACE).ensure("t", SHAPE);
        ParameterSet first = parameters.commit();

        ParameterSet second = parameters.prepare(LoadMode.SHADOW);

        assertThat(second).isNotSameAs(first);
        assertThat(second.layout()).isEqualTo(first.layout());
        assertThat(parameters.live()).isSameAs(first);
        assertThat(parameters.commit()).isSameAs(second);
        assertThat(parameters.prepare(LoadMode.SHADOW)).isSameAs(first);
    }

    @Test
    void theFirstWeightsLieInWarmMemoryAndAgainAfterAnAbort() {
        WarmMemory warm = WarmMemory.touch(100);
        Parameters parameters = new Parameters(false, warm);
        MemorySegment broken =
                parameters.prepare(LoadMode.IN_PLACE).ensure("broken", SHAPE).memory();
        parameters.drop();
        ParameterSet first = parameters.prepare(LoadMode.IN_PLACE);

        assertThat(first.ensure("a", SHAPE).memory()).isEqualTo(broken);
        assertThat(first.ensure("b", SHAPE).memory().address()).isEqualTo(broken.address() + ParameterSet.ALIGNMENT);
        assertThat(warm.take(1)).isNull();
        assertThat(first.ensure("c", SHAPE).memory().byteSize()).isEqualTo(SHAPE.bytes());
    }
}
