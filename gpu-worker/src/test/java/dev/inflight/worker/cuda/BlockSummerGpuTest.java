package dev.inflight.worker.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Test;

@NeedsGpus
class BlockSummerGpuTest {
    private static final int MIB = 1 << 20;
    private static final int REPEATS = 50;

    @Test
    void nothing_has_the_sum_of_nothing() throws Exception {
        try (var gpu = OpenGpu.of(0);
                var summer = BlockSummer.load(gpu.context);
                var buffer = gpu.context.allocate(MIB)) {
            assertThat(sums(gpu, summer, List.of())).isEmpty();
            assertThat(sums(gpu, summer, List.of(new DeviceRange(buffer, 77, 0))))
                    .containsExactly(0);
        }
    }

    @Test
    void short_ranges_at_any_offset_have_the_sums_that_the_host_finds() throws Exception {
        var lengths = IntStream.rangeClosed(0, 300).toArray();
        try (var gpu = OpenGpu.of(0);
                var summer = BlockSummer.load(gpu.context);
                var buffer = gpu.context.allocate(MIB)) {
            var bytes = filled(gpu, buffer, 1);
            for (int offset : new int[] {0, 1, 3, 7, 8, 15, 16, 17, 255}) {
                var ranges = Arrays.stream(lengths)
                        .mapToObj(length -> new DeviceRange(buffer, offset + 512L * length, length))
                        .toList();

                assertThat(sums(gpu, summer, ranges)).as("offset %d", offset).isEqualTo(expected(bytes, ranges));
            }
        }
    }

    @Test
    void lengths_about_a_mebibyte_and_random_ones_have_the_sums_that_the_host_finds() throws Exception {
        var random = new Random(20);
        try (var gpu = OpenGpu.of(0);
                var summer = BlockSummer.load(gpu.context);
                var buffer = gpu.context.allocate(4 * MIB)) {
            var bytes = filled(gpu, buffer, 2);
            var ranges = new ArrayList<DeviceRange>();
            for (int length : new int[] {MIB - 1, MIB, MIB + 1, MIB - 17, MIB / 2, 32767, 32768, 32769, 4 * MIB - 31}) {
                ranges.add(new DeviceRange(buffer, 0, length));
                ranges.add(new DeviceRange(buffer, 31, length));
            }
            for (int i = 0; i < 500; i++) {
                ranges.add(new DeviceRange(buffer, random.nextInt(2 * MIB), random.nextInt(MIB + 1)));
            }

            assertThat(sums(gpu, summer, ranges)).isEqualTo(expected(bytes, ranges));
        }
    }

    @Test
    void more_ranges_than_the_gpu_runs_at_a_time_all_get_their_sums() throws Exception {
        try (var gpu = OpenGpu.of(0);
                var summer = BlockSummer.load(gpu.context);
                var buffer = gpu.context.allocate(4 * MIB)) {
            var bytes = filled(gpu, buffer, 3);
            var ranges = IntStream.range(0, BlockSummer.MAX_RANGES)
                    .mapToObj(i -> new DeviceRange(buffer, 1024L * i, 1 + i % 1024))
                    .toList();

            assertThat(sums(gpu, summer, ranges)).isEqualTo(expected(bytes, ranges));
        }
    }

    @Test
    void blocks_of_a_bucket_have_the_sums_that_the_host_finds_and_a_flipped_bit_shows() throws Exception {
        try (var gpu = OpenGpu.of(0);
                var summer = BlockSummer.load(gpu.context);
                var buffer = gpu.context.allocate(256L * MIB)) {
            var bytes = filled(gpu, buffer, 4);
            var ranges = blocks(buffer, 256);
            int[] before = sums(gpu, summer, ranges);
            assertThat(before).isEqualTo(expected(bytes, ranges));

            var flipped = gpu.bytesOf(buffer, 100L * MIB + 777_777, 1);
            flipped.set(ValueLayout.JAVA_BYTE, 0, (byte) (flipped.get(ValueLayout.JAVA_BYTE, 0) ^ 0x10));
            gpu.stream.copyIn(flipped, buffer, 100L * MIB + 777_777);

            int[] after = sums(gpu, summer, ranges);
            assertThat(IntStream.range(0, 256).filter(i -> after[i] != before[i]))
                    .containsExactly(100);
        }
    }

    @Test
    void sums_see_what_was_copied_before_on_their_stream_and_their_memory_is_used_again() throws Exception {
        try (var gpu = OpenGpu.of(0);
                var summer = BlockSummer.load(gpu.context);
                var buffer = gpu.context.allocate(8 * MIB)) {
            var ranges = blocks(buffer, 8);
            for (int round = 0; round < 20; round++) {
                var bytes = gpu.pattern(buffer.bytes(), round);
                gpu.stream.copyIn(bytes, buffer, 0);

                assertThat(sums(gpu, summer, ranges)).as("round %d", round).isEqualTo(expected(bytes, ranges));
            }
        }
    }

    @Test
    void sums_given_up_before_they_are_done_do_not_disturb_others() throws Exception {
        try (var gpu = OpenGpu.of(0);
                var summer = BlockSummer.load(gpu.context);
                var buffer = gpu.context.allocate(256L * MIB);
                var other = gpu.context.allocate(256L * MIB)) {
            var bytes = filled(gpu, buffer, 5);
            var ranges = blocks(buffer, 16);
            // The driver may load the kernel when it is first used, and wait for the GPU.
            sums(gpu, summer, ranges);
            gpu.keepBusy(buffer, other);
            var early = summer.start(gpu.stream, ranges);

            assertThatThrownBy(() -> early.crc(0)).hasMessageContaining("await it first");
            assertThatThrownBy(summer::close).hasMessageContaining("1 sums are open");
            early.close();

            assertThat(sums(gpu, summer, ranges)).isEqualTo(expected(bytes, ranges));
            assertThatThrownBy(() -> early.crc(0)).hasMessageContaining("closed");
        }
    }

    @Test
    void what_can_not_be_summed_is_refused() {
        try (var gpu = OpenGpu.of(0);
                var summer = BlockSummer.load(gpu.context);
                var buffer = gpu.context.allocate(MIB)) {
            assertThatThrownBy(() -> new DeviceRange(buffer, MIB - 1, 2)).isInstanceOf(IndexOutOfBoundsException.class);
            var many = IntStream.rangeClosed(0, BlockSummer.MAX_RANGES)
                    .mapToObj(i -> new DeviceRange(buffer, i, 1))
                    .toList();
            assertThatThrownBy(() -> summer.start(gpu.stream, many)).hasMessageContaining("at most 4096");
        }
    }

    @Test
    void ptx_that_the_driver_refuses_is_an_error_with_the_reason() {
        try (var gpu = OpenGpu.of(0)) {
            assertThatThrownBy(() -> CudaModule.load(gpu.context, "refused.ptx"))
                    .isInstanceOf(CudaException.class)
                    .hasMessageContaining("cuModuleLoadData of refused.ptx (")
                    .hasMessageContaining("no_such_instruction");
        }
    }

    @Test
    void prints_how_fast_it_is() throws Exception {
        try (var gpu = OpenGpu.of(0);
                var summer = BlockSummer.load(gpu.context);
                var buffer = gpu.context.allocate(256L * MIB)) {
            filled(gpu, buffer, 6);
            // Allocates what the others use again.
            gigabytesPerSecond(gpu, summer, buffer, 1);
            for (int count : new int[] {256, 64, 16, 1}) {
                System.out.printf(
                        "CRC32C of %d x 1 MiB on the GPU: %.1f GB/s%n",
                        count, gigabytesPerSecond(gpu, summer, buffer, count));
            }
        }
    }

    private static double gigabytesPerSecond(OpenGpu gpu, BlockSummer summer, DeviceBuffer buffer, int count)
            throws InterruptedException {
        var ranges = blocks(buffer, count);
        sums(gpu, summer, ranges);
        try (var begin = gpu.context.newEvent();
                var end = gpu.context.newEvent()) {
            gpu.stream.record(begin);
            var started = IntStream.range(0, REPEATS)
                    .mapToObj(i -> summer.start(gpu.stream, ranges))
                    .toList();
            gpu.stream.record(end);
            end.await(OpenGpu.BOUND);
            started.forEach(Sums::close);
            return (double) REPEATS * count * MIB / (end.millisSince(begin) * 1e6);
        }
    }

    private static List<DeviceRange> blocks(DeviceBuffer buffer, int count) {
        return IntStream.range(0, count)
                .mapToObj(i -> new DeviceRange(buffer, (long) i * MIB, MIB))
                .toList();
    }

    private static MemorySegment filled(OpenGpu gpu, DeviceBuffer buffer, long seed) {
        var bytes = gpu.pattern(buffer.bytes(), seed);
        gpu.stream.copyIn(bytes, buffer, 0);
        return bytes;
    }

    private static int[] sums(OpenGpu gpu, BlockSummer summer, List<DeviceRange> ranges) throws InterruptedException {
        try (var done = gpu.context.newEvent();
                var sums = summer.start(gpu.stream, ranges)) {
            gpu.stream.record(done);
            done.await(OpenGpu.BOUND);
            return sums.crcs();
        }
    }

    /** @param bytes what the buffer of all ranges holds */
    private static int[] expected(MemorySegment bytes, List<DeviceRange> ranges) {
        return ranges.stream()
                .mapToInt(range -> {
                    var crc = new CRC32C();
                    crc.update(bytes.asSlice(range.offset(), range.length()).asByteBuffer());
                    return (int) crc.getValue();
                })
                .toArray();
    }
}
