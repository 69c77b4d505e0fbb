package dev.inflight.worker.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

class BlockSummerTest {
    private final String ptx = new String(CudaModule.read(BlockSummer.RESOURCE), StandardCharsets.US_ASCII);

    @Test
    void its_ptx_has_the_kernel_for_as_many_threads_as_are_launched() {
        assertThat(ptx)
                .contains(".visible .entry " + BlockSummer.KERNEL + "(")
                .contains(".maxntid " + BlockSummer.THREADS + ", 1, 1");
    }

    @Test
    void its_ptx_is_for_every_gpu_since_volta() {
        assertThat(ptx).containsPattern("(?m)^\\.version 6\\.0$").containsPattern("(?m)^\\.target sm_70$");
    }

    @Test
    void a_resource_that_is_not_there_is_named() {
        assertThatThrownBy(() -> CudaModule.read("missing.ptx"))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("missing.ptx");
    }
}
