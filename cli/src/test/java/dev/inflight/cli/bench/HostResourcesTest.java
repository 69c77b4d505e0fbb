package dev.inflight.cli.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.util.List;
import org.junit.jupiter.api.Test;

class HostResourcesTest {
    private static final long MIB = 1 << 20;

    @Test
    void showsMemoryThatAProcessTakesBesideItsHeap() {
        long self = ProcessHandle.current().pid();
        long before = HostResources.residentBytes(self);
        try (Arena arena = Arena.ofConfined()) {
            arena.allocate(256 * MIB).fill((byte) 1);
            assertThat(HostResources.residentBytes(self) - before).isBetween(192 * MIB, 384 * MIB);
        }
    }

    @Test
    void countsDescriptorsAndSharedMemoryOfThisMachine() {
        HostResources now = HostResources.now(
                List.of(3 * MIB), List.of(ProcessHandle.current().pid()));

        assertThat(now.deviceFreeMiB()).containsExactly(3L);
        assertThat(now.workerFds()).isPositive();
        assertThat(now.workerResidentMiB()).isPositive();
        assertThat(now.shmMiB()).isNotNegative();
    }
}
