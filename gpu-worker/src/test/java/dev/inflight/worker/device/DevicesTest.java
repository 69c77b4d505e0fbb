package dev.inflight.worker.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.inflight.worker.cuda.CudaGpu;
import java.util.List;
import org.junit.jupiter.api.Test;

class DevicesTest {
    private static final CudaGpu FIRST = new CudaGpu(0, "H100", "GPU-a", "0000:1B:00.0", 1);
    private static final CudaGpu SECOND = new CudaGpu(1, "H100", "GPU-b", "0000:1C:00.0", 1);
    private static final List<CudaGpu> SHOWN = List.of(FIRST, SECOND);

    @Test
    void workersHaveTheFirstGpusUnlessOthersAreNamed() {
        assertThat(Devices.choose(1, List.of(), SHOWN)).containsExactly(FIRST);
        assertThat(Devices.choose(2, List.of("GPU-b", "0"), SHOWN)).containsExactly(SECOND, FIRST);
    }

    @Test
    void severalWorkersMayHaveOneGpu() {
        assertThat(Devices.choose(2, List.of("1", "1"), SHOWN)).containsExactly(SECOND, SECOND);
    }

    @Test
    void tooFewGpusAreRefusedWithBothNumbers() {
        assertThatThrownBy(() -> Devices.choose(3, List.of(), SHOWN))
                .hasMessageContaining("workers is 3 but CUDA shows 2 GPUs");
        assertThatThrownBy(() -> Devices.choose(2, List.of("0"), SHOWN)).hasMessageContaining("gpus has 1 GPUs");
    }

    @Test
    void aGpuThatIsNotThereIsNamedTogetherWithThoseThatAre() {
        assertThatThrownBy(() -> Devices.choose(1, List.of("GPU-c"), SHOWN))
                .hasMessageContaining("no GPU GPU-c")
                .hasMessageContaining("[GPU-a, GPU-b]");
    }
}
