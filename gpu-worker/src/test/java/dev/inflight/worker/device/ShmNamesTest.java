package dev.inflight.worker.device;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ShmNamesTest {
    /** Above the largest process id of a 64-bit Linux, so nobody's. */
    private static final String DEAD = "4194305";

    @TempDir
    Path directory;

    @Test
    void spellsTheNodesNameAsItIs() {
        var path = new ShmNames(directory, "run-1a2b-w.1_x").fresh("arena");
        long pid = ProcessHandle.current().pid();
        assertThat(path).isEqualTo(directory.resolve("inflight-run-1a2b-w.1_x-" + pid + "-arena-0"));
    }

    @Test
    void aNameCanNotLeaveTheDirectory() {
        assertThat(new ShmNames(directory, "../w 1").fresh("slots").normalize()).hasParentRaw(directory);
    }

    @Test
    void sweepsWhatDeadProcessesOfTheNodeLeft() throws IOException {
        var left = file("inflight-run-1a2b-w1-" + DEAD + "-arena-0");
        var own = Files.createFile(new ShmNames(directory, "run-1a2b-w1").fresh("arena"));
        new ShmNames(directory, "run-1a2b-w1").sweep();
        assertThat(left).doesNotExist();
        assertThat(own).exists();
    }

    @Test
    void leavesAloneWhatANodeWithALongerNameHas() throws IOException {
        var others = file("inflight-w-" + DEAD + "-" + ProcessHandle.current().pid() + "-arena-0");
        new ShmNames(directory, "w").sweep();
        assertThat(others).exists();
    }

    private Path file(String name) throws IOException {
        return Files.createFile(directory.resolve(name));
    }
}
