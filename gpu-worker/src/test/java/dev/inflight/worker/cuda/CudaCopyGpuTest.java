package dev.inflight.worker.cuda;

import static dev.inflight.worker.cuda.OpenGpu.same;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@NeedsGpus
class CudaCopyGpuTest {
    private static final long MIB = 1 << 20;

    @ParameterizedTest
    @CsvSource({"1,0", "1,4095", "255,1", "4097,3", "1048577,12345", "16777216,0"})
    void bytes_come_back_as_they_were_and_their_neighbours_stay(long bytes, long offset) {
        try (var gpu = OpenGpu.of(0);
                var buffer = gpu.context.allocate(32 * MIB)) {
            buffer.fill((byte) 0x5A);
            var sent = gpu.pattern(bytes, offset);

            gpu.stream.copyIn(sent, buffer, offset);

            assertThat(same(gpu.bytesOf(buffer, offset, bytes), sent)).isTrue();
            assertThat(gpu.bytesOf(buffer, offset + bytes, 1).get(ValueLayout.JAVA_BYTE, 0))
                    .isEqualTo((byte) 0x5A);
            if (offset > 0) {
                assertThat(gpu.bytesOf(buffer, offset - 1, 1).get(ValueLayout.JAVA_BYTE, 0))
                        .isEqualTo((byte) 0x5A);
            }
        }
    }

    @Test
    void copies_over_two_gigabytes_are_whole() {
        long bytes = 3L << 30;
        try (var gpu = OpenGpu.of(0);
                var buffer = gpu.context.allocate(bytes)) {
            var sent = gpu.pattern(bytes, 7);

            gpu.stream.copyIn(sent, buffer, 0);

            for (long offset = 0; offset < bytes; offset += 512 * MIB) {
                assertThat(same(gpu.bytesOf(buffer, offset, 512 * MIB), sent.asSlice(offset, 512 * MIB)))
                        .as("512 MiB at %d", offset)
                        .isTrue();
            }
        }
    }

    @Test
    void copies_on_one_gpu_are_bit_equal_at_odd_offsets() {
        try (var gpu = OpenGpu.of(0);
                var from = gpu.context.allocate(4 * MIB);
                var to = gpu.context.allocate(4 * MIB)) {
            var sent = gpu.pattern(from.bytes(), 1);
            gpu.stream.copyIn(sent, from, 0);

            gpu.stream.copy(from, 3, to, 1001, 2 * MIB + 5);

            assertThat(same(gpu.bytesOf(to, 1001, 2 * MIB + 5), sent.asSlice(3, 2 * MIB + 5)))
                    .isTrue();
        }
    }

    @Test
    @NeedsGpus(2)
    void copies_between_gpus_are_bit_equal_and_wait_for_events_of_the_other() {
        try (var one = OpenGpu.of(0);
                var other = OpenGpu.of(1);
                var arrived = one.context.newEvent();
                var from = one.context.allocate(64 * MIB);
                var to = other.context.allocate(64 * MIB)) {
            if (other.context.canAccess(one.context)) {
                other.context.enablePeerAccess(one.context);
                other.context.enablePeerAccess(one.context);
            }
            var sent = one.pattern(from.bytes(), 2);
            one.stream.copyIn(sent, from, 0);
            one.stream.record(arrived);

            other.stream.waitFor(arrived);
            other.stream.copy(from, 5, to, 9, 64 * MIB - 9);

            assertThat(same(other.bytesOf(to, 9, 64 * MIB - 9), sent.asSlice(5, 64 * MIB - 9)))
                    .isTrue();
        }
    }

    @Test
    @NeedsGpus(2)
    void a_stream_of_the_sending_gpu_can_copy_as_well() {
        try (var one = OpenGpu.of(0);
                var other = OpenGpu.of(1);
                var from = one.context.allocate(MIB);
                var to = other.context.allocate(MIB)) {
            var sent = one.pattern(MIB, 3);
            one.stream.copyIn(sent, from, 0);

            one.stream.copy(from, 0, to, 0, MIB);
            one.stream.synchronize();

            assertThat(same(other.bytesOf(to, 0, MIB), sent)).isTrue();
        }
    }

    @Test
    void any_thread_may_copy() throws Exception {
        try (var gpu = OpenGpu.of(0);
                var buffer = gpu.context.allocate(MIB)) {
            var sent = gpu.pattern(MIB, 4);
            var done = new CompletableFuture<MemorySegment>();
            Thread.ofVirtual().start(() -> {
                try {
                    gpu.stream.copyIn(sent, buffer, 0);
                    done.complete(gpu.bytesOf(buffer, 0, MIB));
                } catch (RuntimeException e) {
                    done.completeExceptionally(e);
                }
            });

            assertThat(same(done.get(30, TimeUnit.SECONDS), sent)).isTrue();
        }
    }

    @Test
    void ranges_outside_a_buffer_are_refused() {
        try (var gpu = OpenGpu.of(0);
                var buffer = gpu.context.allocate(MIB)) {
            var host = gpu.pattern(16, 0);

            assertThatThrownBy(() -> gpu.stream.copyIn(host, buffer, MIB - 15))
                    .isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> gpu.stream.copyOut(buffer, -1, host))
                    .isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> gpu.stream.copy(buffer, 0, buffer, MIB, 1))
                    .isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> gpu.stream.copyOut(buffer, 0, host.asReadOnly()))
                    .hasMessageContaining("read-only");
        }
    }
}
