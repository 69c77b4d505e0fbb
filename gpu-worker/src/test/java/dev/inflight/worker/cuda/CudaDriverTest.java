package dev.inflight.worker.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import org.junit.jupiter.api.Test;

class CudaDriverTest {
    @Test
    void is_not_there_on_a_machine_without_gpus() {
        assumeFalse(Files.exists(Path.of("/dev/nvidiactl")), "this machine has an NVIDIA driver");

        assertThat(CudaDriver.load()).isEmpty();
    }

    @Test
    void uuids_are_written_as_nvidia_smi_writes_them() {
        var bytes = HexFormat.of().parseHex("00ff10a1b2c3d4e5f60718293a4b5c6d");

        assertThat(CudaGpu.formatUuid(bytes)).isEqualTo("GPU-00ff10a1-b2c3-d4e5-f607-18293a4b5c6d");
    }

    @Test
    void a_uuid_of_another_length_is_refused() {
        assertThatThrownBy(() -> CudaGpu.formatUuid(new byte[15])).hasMessage("a GPU's UUID has 16 bytes, not 15");
    }

    @Test
    void heap_memory_is_refused() {
        assertThatThrownBy(() -> HostPointer.to(MemorySegment.ofArray(new byte[4])))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("use native memory");
    }
}
