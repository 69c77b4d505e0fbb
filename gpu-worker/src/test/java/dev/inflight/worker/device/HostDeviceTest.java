package dev.inflight.worker.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HostDeviceTest {
    @TempDir
    Path shm;

    @Test
    void slotsOfOneUpdateServeTheNext() throws IOException {
        try (var device = new HostDevice(new ShmNames(shm, "w"), 3 << 20)) {
            Path first;
            try (var ring = device.slots(3, 1 << 20)) {
                first = ring.path();
            }
            try (var ring = device.slots(2, 1 << 20)) {
                assertThat(ring.path()).isEqualTo(first);
                assertThat(ring.slot(1).byteSize()).isEqualTo(1 << 20);
            }
            assertThat(files()).hasSize(1);
        }
        assertThat(files()).isEmpty();
    }

    @Test
    void aRingClosedTwiceIsGivenOutOnce() {
        try (var device = new HostDevice(new ShmNames(shm, "w"), 1 << 20)) {
            var first = device.slots(1, 1 << 20);
            first.close();
            first.close();
            try (var own = device.slots(1, 1 << 20);
                    var landing = device.slots(1, 1 << 20)) {
                assertThat(own.path()).isNotEqualTo(landing.path());
            }
        }
    }

    @Test
    void aRingOverTheBudgetIsRefusedWithTheNumbers() {
        try (var device = new HostDevice(new ShmNames(shm, "w"), 2 << 20)) {
            assertThatThrownBy(() -> device.slots(3, 1 << 20))
                    .isInstanceOf(DeviceMemoryException.class)
                    .hasMessageContaining("3145728")
                    .hasMessageContaining("2097152")
                    .hasMessageContaining("slot-memory");
        }
    }

    @Test
    void onlyTheOwnerMayReadSlots() throws IOException {
        try (var device = new HostDevice(new ShmNames(shm, "w"), 1 << 20);
                var ring = device.slots(1, 4096)) {
            assertThat(Files.getPosixFilePermissions(ring.path())).hasSize(2);
        }
    }

    @Test
    void filesOfADeadProcessAreSweptAndThoseOfOthersStay() throws IOException {
        var dead = Files.createFile(shm.resolve("inflight-w-" + Integer.MAX_VALUE + "-slots-0"));
        var living = Files.createFile(
                shm.resolve("inflight-w-" + ProcessHandle.current().pid() + "-slots-0"));
        var other = Files.createFile(shm.resolve("inflight-w2-" + Integer.MAX_VALUE + "-slots-0"));
        new ShmNames(shm, "w").sweep();
        assertThat(dead).doesNotExist();
        assertThat(living).exists();
        assertThat(other).exists();
    }

    private List<Path> files() throws IOException {
        try (var list = Files.list(shm)) {
            return list.toList();
        }
    }
}
