package dev.inflight.cli.demo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.inflight.worker.device.ShmNames;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class LocalRunTest {
    private static final Duration LIMIT = Duration.ofSeconds(30);

    @Test
    void closingEndsItsProcessesAndRemovesEveryFileThatCarriesItsId() throws Exception {
        Path sharedFile;
        Path workersFile;
        Path directory;
        ProcessHandle process;
        try (LocalRun run = LocalRun.begin()) {
            directory = run.directory().path();
            sharedFile = Files.createFile(
                    Path.of("/dev/shm/inflight-" + run.directory().id() + "-worker-0-slots"));
            workersFile = Files.createFile(
                    new ShmNames(Path.of("/dev/shm"), run.directory().id() + "-worker-1").fresh("arena"));
            Files.createFile(run.directory().checkpoints(1, CheckpointPlace.SHM).resolve("v1.safetensors"));
            ChildProcess child = start(run, "echo '{\"node\":\"x\"}' > $1.tmp; mv $1.tmp $1; exec sleep 600");
            assertThat(child.awaitAnnouncement(LIMIT).path("node").asText()).isEqualTo("x");
            process = ProcessHandle.of(child.pid()).orElseThrow();
        }

        assertThat(process.isAlive()).isFalse();
        assertThat(directory).doesNotExist();
        assertThat(sharedFile).doesNotExist();
        assertThat(workersFile).doesNotExist();
    }

    @Test
    void aProcessThatEndsInsteadOfAnnouncingIsNamedWithItsLastWords() throws Exception {
        try (LocalRun run = LocalRun.begin()) {
            ChildProcess child = start(run, "echo starting; echo 'no such option'; exit 7");

            assertThatExceptionOfType(FleetException.class)
                    .isThrownBy(() -> child.awaitAnnouncement(LIMIT))
                    .withMessage("child ended with exit code 7; its last words: no such option");
        }
    }

    @Test
    void theNextRunRemovesWhatAKilledRunLeft() throws IOException {
        Path abandoned = Files.createDirectories(
                Path.of("/tmp/inflight-run-test" + ProcessHandle.current().pid()));
        Files.writeString(abandoned.resolve("lock"), "");
        Path shared = Files.createFile(Path.of("/dev/shm/" + abandoned.getFileName() + "-slots"));

        try (RunDirectory first = RunDirectory.create();
                RunDirectory second = RunDirectory.create()) {
            assertThat(abandoned).doesNotExist();
            assertThat(shared).doesNotExist();
            assertThat(first.path()).exists().isNotEqualTo(second.path());
        }
    }

    @Test
    void keptLogsOutliveTheRun() throws IOException {
        Path kept;
        try (RunDirectory run = RunDirectory.create()) {
            Files.writeString(run.log("worker-0"), "why it failed");
            kept = run.keepLogs();
        }

        Path log = kept.resolve("worker-0.log");
        assertThat(log).hasContent("why it failed");
        Files.delete(log);
        Files.delete(kept);
    }

    @Test
    void closingAlsoEndsWhatItsProcessesStarted() throws Exception {
        ProcessHandle grandchild;
        try (LocalRun run = LocalRun.begin()) {
            ChildProcess child = start(run, "sleep 600 & echo \"{\\\"pid\\\":$!}\" > $1.tmp; mv $1.tmp $1; wait");
            grandchild = ProcessHandle.of(
                            child.awaitAnnouncement(LIMIT).path("pid").asLong())
                    .orElseThrow();
        }

        assertThat(grandchild.isAlive()).isFalse();
    }

    @Test
    void aProgramThatEndedWellIsNotMissedAndOneThatFailedIsNamed() throws Exception {
        try (LocalRun run = LocalRun.begin()) {
            run.complete("build", List.of("bash", "-c", "exit 0"));
            run.requireAllAlive();

            assertThatExceptionOfType(FleetException.class)
                    .isThrownBy(() -> run.complete("build", List.of("bash", "-c", "echo 'no network'; exit 9")))
                    .withMessage("build ended with exit code 9; its last words: no network");
        }
    }

    private static ChildProcess start(LocalRun run, String script) {
        Path announcement = run.directory().path().resolve("child.json");
        return run.start(
                "child", List.of("bash", "-c", script, "bash", announcement.toString()), Map.of(), announcement);
    }
}
