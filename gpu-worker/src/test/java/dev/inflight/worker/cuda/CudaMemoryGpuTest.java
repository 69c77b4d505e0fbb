package dev.inflight.worker.cuda;

import static dev.inflight.worker.cuda.OpenGpu.same;
import static jcuda.driver.CUdevice_attribute.CU_DEVICE_ATTRIBUTE_READ_ONLY_HOST_REGISTER_SUPPORTED;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@NeedsGpus
class CudaMemoryGpuTest {
    private static final long MIB = 1 << 20;

    @Test
    void gpus_are_described() {
        var driver = CudaDriver.load().orElseThrow();

        assertThat(driver.version()).matches("\\d+\\.\\d+");
        assertThat(driver.gpus()).isNotEmpty().doesNotHaveDuplicates().allSatisfy(gpu -> {
            assertThat(gpu.name()).isNotBlank();
            assertThat(gpu.uuid()).matches("GPU-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}");
            assertThat(gpu.pciBusId()).matches("[0-9A-Fa-f]{4,8}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\\.0");
            assertThat(gpu.totalBytes()).isGreaterThan(1L << 30);
        });
    }

    @Test
    void loading_leaves_no_unpacked_library() {
        CudaDriver.load();

        assertThat(Path.of("/proc/self/maps")).content().containsPattern("libJCudaDriver.*\\(deleted\\)");
    }

    @Test
    void memory_taken_is_less_memory_free_until_it_is_closed() {
        try (var gpu = OpenGpu.of(0)) {
            long before = gpu.context.freeBytes();

            try (var buffer = gpu.context.allocate(512 * MIB)) {
                assertThat(buffer.address()).isNotZero();
                assertThat(before - gpu.context.freeBytes()).isGreaterThanOrEqualTo(256 * MIB);
            }

            assertThat(before - gpu.context.freeBytes()).isLessThan(256 * MIB);
            assertThat(gpu.context.totalBytes()).isGreaterThanOrEqualTo(before);
        }
    }

    @Test
    void more_than_there_is_is_refused_with_the_numbers() {
        try (var gpu = OpenGpu.of(0)) {
            long asked = 2 * gpu.context.totalBytes();

            var refusal = catchThrowableOfType(CudaOutOfMemoryException.class, () -> gpu.context.allocate(asked));

            assertThat(refusal)
                    .hasMessageStartingWith("cuMemAlloc on GPU 0 (")
                    .hasMessageContaining(
                            "CUDA_ERROR_OUT_OF_MEMORY (2): out of memory; asked for " + asked + " bytes, ");
            assertThat(refusal.askedBytes()).isEqualTo(asked);
            assertThat(refusal.freeBytes()).isBetween(1L, refusal.totalBytes());
        }
    }

    @Test
    void closing_twice_does_nothing_and_what_is_closed_can_not_be_used() {
        var gpu = OpenGpu.of(0);
        var buffer = gpu.context.allocate(MIB);
        var event = gpu.context.newEvent();
        buffer.close();
        buffer.close();
        event.close();
        event.close();

        assertThatThrownBy(() -> buffer.fill((byte) 1)).hasMessageContaining("is closed");
        assertThatThrownBy(event::isDone).hasMessageContaining("is closed");
        assertThatThrownBy(() -> gpu.stream.record(event)).hasMessageContaining("is closed");
        assertThatThrownBy(() -> gpu.stream.copyIn(gpu.pattern(1, 0), buffer, 0))
                .hasMessageContaining("is closed");

        gpu.close();
        gpu.stream.close();
        gpu.context.close();
        assertThatThrownBy(gpu.context::makeCurrent)
                .isInstanceOf(IllegalStateException.class)
                .hasMessageStartingWith("context of GPU 0 (");
    }

    @Test
    void a_context_names_what_keeps_it_open() {
        try (var gpu = OpenGpu.of(0);
                var buffer = gpu.context.allocate(MIB)) {
            assertThatThrownBy(gpu.context::close)
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining(buffer.toString())
                    .hasMessageContaining(gpu.stream.toString());
        }
    }

    @Test
    void streams_and_buffers_have_handles_for_other_libraries_and_processes() {
        try (var gpu = OpenGpu.of(0);
                var second = gpu.context.newStream();
                var one = gpu.context.allocate(2 * MIB);
                var other = gpu.context.allocate(2 * MIB)) {
            assertThat(gpu.stream.handle()).isNotZero().isNotEqualTo(second.handle());
            assertThat(one.ipcHandle()).hasSize(64).isNotEqualTo(new byte[64]).isNotEqualTo(other.ipcHandle());
        }
    }

    @Test
    void registered_shared_memory_is_copied_by_every_gpu(@TempDir(factory = SharedMemoryDirectory.class) Path shm)
            throws Exception {
        int gpus = CudaDriver.load().orElseThrow().gpus().size();
        try (var gpu = OpenGpu.of(0)) {
            var mapping = map(gpu, shm, MapMode.READ_WRITE);
            mapping.copyFrom(gpu.pattern(mapping.byteSize(), 5));
            try (var pinned = PinnedMemory.register(gpu.context, mapping)) {
                for (int ordinal = 0; ordinal < gpus; ordinal++) {
                    assertRoundTrip(ordinal, pinned.memory());
                }
                assertThatThrownBy(() -> PinnedMemory.register(gpu.context, mapping))
                        .isInstanceOf(CudaException.class)
                        .hasMessageContaining("cuMemHostRegister of " + mapping.byteSize() + " bytes")
                        .hasMessageContaining("CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED");
                pinned.close();
            }
            PinnedMemory.register(gpu.context, mapping).close();
        }
    }

    @Test
    void a_mapping_without_write_permission_can_be_registered(@TempDir(factory = SharedMemoryDirectory.class) Path shm)
            throws Exception {
        try (var gpu = OpenGpu.of(0)) {
            assumeTrue(
                    gpu.context.has(CU_DEVICE_ATTRIBUTE_READ_ONLY_HOST_REGISTER_SUPPORTED),
                    "this GPU can not register read-only memory");
            map(gpu, shm, MapMode.READ_WRITE).fill((byte) 9);
            var mapping = map(gpu, shm, MapMode.READ_ONLY);

            try (var pinned = PinnedMemory.register(gpu.context, mapping)) {
                assertRoundTrip(0, pinned.memory());
            }
        }
    }

    private static void assertRoundTrip(int ordinal, MemorySegment memory) {
        try (var gpu = OpenGpu.of(ordinal);
                var buffer = gpu.context.allocate(memory.byteSize())) {
            gpu.stream.copyIn(memory, buffer, 0);

            assertThat(same(gpu.bytesOf(buffer, 0, memory.byteSize()), memory))
                    .as("GPU %d", ordinal)
                    .isTrue();
        }
    }

    private static MemorySegment map(OpenGpu gpu, Path directory, MapMode mode) throws Exception {
        var file = directory.resolve("mapping");
        long bytes = 64 * MIB + 12345;
        if (mode == MapMode.READ_ONLY) {
            try (var channel = FileChannel.open(file, StandardOpenOption.READ)) {
                return channel.map(mode, 0, bytes, gpu.arena);
            }
        }
        try (var channel =
                FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            return channel.map(mode, 0, bytes, gpu.arena);
        }
    }
}
