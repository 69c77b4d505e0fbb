package dev.inflight.worker.cuda;

import static dev.inflight.worker.cuda.OpenGpu.BOUND;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import org.junit.jupiter.api.Test;

@NeedsGpus
class CudaEventGpuTest {
    private static final long BYTES = 256 << 20;

    @Test
    void events_are_done_in_the_order_of_the_stream() throws Exception {
        try (var gpu = OpenGpu.of(0);
                var from = gpu.context.allocate(BYTES);
                var to = gpu.context.allocate(BYTES);
                var before = gpu.context.newEvent();
                var after = gpu.context.newEvent()) {
            gpu.stream.record(before);
            gpu.keepBusy(from, to);
            gpu.stream.record(after);

            assertThat(after.isDone()).isFalse();
            after.await(BOUND);

            assertThat(before.isDone()).isTrue();
            assertThat(after.millisSince(before)).isBetween(1f, 10_000f);
        }
    }

    @Test
    void a_wait_ends_at_its_bound() throws Exception {
        try (var gpu = OpenGpu.of(0);
                var from = gpu.context.allocate(BYTES);
                var to = gpu.context.allocate(BYTES);
                var done = gpu.context.newEvent()) {
            gpu.keepBusy(from, to);
            gpu.stream.record(done);

            assertThatThrownBy(() -> done.await(Duration.ofMillis(1)))
                    .isInstanceOf(CudaTimeoutException.class)
                    .hasMessageContaining("is not done after 1 ms")
                    .hasMessageContaining("GPU 0");

            done.await(BOUND);
        }
    }

    @Test
    void a_wait_ends_when_its_thread_is_interrupted() {
        try (var gpu = OpenGpu.of(0);
                var from = gpu.context.allocate(BYTES);
                var to = gpu.context.allocate(BYTES);
                var done = gpu.context.newEvent()) {
            gpu.keepBusy(from, to);
            gpu.stream.record(done);

            Thread.currentThread().interrupt();

            assertThatThrownBy(() -> done.await(BOUND)).isInstanceOf(InterruptedException.class);
        }
    }

    @Test
    void time_since_an_event_that_was_never_recorded_is_an_error_that_names_call_and_gpu() {
        try (var gpu = OpenGpu.of(0);
                var never = gpu.context.newEvent();
                var recorded = gpu.context.newEvent()) {
            gpu.stream.record(recorded);
            gpu.stream.synchronize();

            assertThatThrownBy(() -> recorded.millisSince(never))
                    .isInstanceOf(CudaException.class)
                    .hasMessageStartingWith("cuEventElapsedTime on GPU 0 (")
                    .hasMessageContaining(gpu.context.gpu().uuid())
                    .hasMessageContaining("CUDA_ERROR_INVALID_HANDLE (400)");
        }
    }
}
