package dev.inflight.worker.transport;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MachineIdentityTest {
    @TempDir
    Path shm;

    @Test
    void allWhoShareADirectoryAgreeHoweverTheyRace() throws Exception {
        List<Callable<String>> processes = new ArrayList<>();
        for (int i = 0; i < 32; i++) {
            processes.add(() -> MachineIdentity.nonce(shm));
        }
        Set<String> seen = new HashSet<>();
        try (ExecutorService executor = Executors.newVirtualThreadPerTaskExecutor()) {
            for (Future<String> nonce : executor.invokeAll(processes)) {
                seen.add(nonce.get());
            }
        }
        assertThat(seen).hasSize(1);
        try (var files = Files.list(shm)) {
            assertThat(files).hasSize(1);
        }
    }

    @Test
    void twoDirectoriesDiffer(@TempDir Path other) throws IOException {
        assertThat(MachineIdentity.nonce(shm)).isNotEqualTo(MachineIdentity.nonce(other));
    }

    @Test
    void aDamagedFileIsNamed() throws IOException {
        Path file = Files.writeString(shm.resolve("inflight-machine-id"), "half");
        assertThatThrownBy(() -> MachineIdentity.nonce(shm)).hasMessageContaining(file.toString());
    }

    @Test
    void thisMachineHasOne() throws IOException {
        assertThat(MachineIdentity.local()).isEqualTo(MachineIdentity.local()).contains("/");
    }
}
