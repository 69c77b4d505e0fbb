package dev.inflight.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.inflight.protocol.checkpoint.Dtype;
import dev.inflight.protocol.link.EngineShare;
import dev.inflight.protocol.link.TensorPart;
import dev.inflight.protocol.link.TensorSlice;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class LoadProgressTest {
    private static final LoadProgress NOTHING = new LoadProgress(0, 0, Map.of(), EngineShare.ALL);

    @Test
    void partsInAnyOrderMakeATensor() throws Refusal {
        LoadProgress progress = new LoadProgress(2, 12, Map.of(), EngineShare.ALL);
        progress.add(List.of(part("w", 12, 8, 4)));
        progress.add(List.of(part("w", 12, 0, 4), part("empty", 0, 0, 0)));
        assertThatThrownBy(progress::checkComplete).hasMessage("tensor \"w\": 8 of the 12 bytes held here arrived");
        progress.add(List.of(part("w", 12, 4, 4)));
        assertThatCode(progress::checkComplete).doesNotThrowAnyException();
        assertThat(progress.tensors()).isEqualTo(2);
    }

    @Test
    void noByteMayArriveTwice() throws Refusal {
        LoadProgress progress = new LoadProgress(1, 12, Map.of(), EngineShare.ALL);
        progress.add(List.of(part("w", 12, 4, 4)));
        assertThatThrownBy(() -> progress.add(List.of(part("w", 12, 0, 5))))
                .hasMessage("tensor \"w\": bytes 4 to 5 arrived twice");
        assertThatThrownBy(() -> progress.add(List.of(part("w", 12, 7, 5)))).isInstanceOf(Refusal.class);
        assertThatThrownBy(() -> progress.add(List.of(part("w", 12, 0, 12)))).isInstanceOf(Refusal.class);
    }

    @Test
    void aRefusedLoadLeavesNoTraceAndMayComeAgain() throws Refusal {
        LoadProgress progress = new LoadProgress(2, 8, Map.of(), EngineShare.ALL);
        assertThatThrownBy(() -> progress.add(List.of(part("a", 4, 0, 4), part("b", 4, 2, 4))))
                .hasMessage("tensor \"b\": 4 bytes from 2 lie outside its 4 bytes");
        assertThat(progress.tensors()).isZero();
        progress.add(List.of(part("a", 4, 0, 4), part("b", 4, 0, 4)));
        progress.checkComplete();
    }

    @Test
    void aCheckpointMustHaveTheEnginesTensors() {
        TensorSlice whole = new TensorSlice(List.of(2L, 2L), 16, 0, 16, 1);
        LoadProgress progress = new LoadProgress(
                1, 4, Map.of("w", new LoadProgress.Shape(Dtype.F32, List.of(2L, 2L), 16, whole)), EngineShare.ALL);
        assertThatThrownBy(() -> progress.add(List.of(part("other", 4, 0, 4))))
                .hasMessage("tensor \"other\": this engine has no such parameter");
        assertThatThrownBy(() -> progress.add(List.of(part("w", 4, 0, 4))))
                .hasMessage("tensor \"w\" is U8 [4] in the checkpoint, F32 [2, 2] in this engine");
        assertThatThrownBy(progress::checkComplete).hasMessage("tensor \"w\" did not arrive");
    }

    @Test
    void aStreamCanNotHoldMoreThanBeginAnnounced() {
        LoadProgress progress = new LoadProgress(1, 4, Map.of(), EngineShare.ALL);
        assertThatThrownBy(() -> progress.add(List.of(part("w", 1L << 40, 0, 4))))
                .hasMessage("tensor \"w\": more than the 1 tensors with 4 bytes that begin announced");
    }

    @Test
    void sizesThatDoNotFitAreRefused() {
        assertThatThrownBy(() -> NOTHING.shapeOf(new TensorPart("w", Dtype.F32, List.of(Long.MAX_VALUE, 2L), 0, 0, 0)))
                .hasMessageContaining("is too large");
        assertThatThrownBy(() -> NOTHING.shapeOf(new TensorPart("w", Dtype.F4, List.of(3L), 0, 0, 0)))
                .hasMessage("tensor \"w\": its 12 bits are no whole number of bytes");
        assertThatThrownBy(() -> NOTHING.shapeOf(new TensorPart("w", "F5", List.of(3L), 0, 0, 0)))
                .hasMessage("tensor \"w\": unknown dtype \"F5\"");
    }

    private static TensorPart part(String name, long bytes, long begin, long count) {
        return new TensorPart(name, Dtype.U8, List.of(bytes), 0, count, begin);
    }
}
