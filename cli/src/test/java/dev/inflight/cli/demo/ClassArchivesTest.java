package dev.inflight.cli.demo;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ClassArchivesTest {
    @TempDir
    private Path home;

    private Path archive;

    @BeforeEach
    void layOut() throws IOException {
        archive = Files.createDirectories(home.resolve("cli/target/cds")).resolve("worker.jsa");
    }

    @Test
    void theFirstProcessOfARoleMakesTheArchiveAndASuccessfulRunKeepsIt() throws IOException {
        try (LocalRun run = LocalRun.begin()) {
            ClassArchives archives = new ClassArchives(run, installation("a.jar"));
            Path made = run.directory().path().resolve("worker.jsa");

            assertThat(archives.flags("worker")).contains("-XX:ArchiveClassesAtExit=" + made);
            assertThat(archives.flags("worker")).isEmpty();
            Files.writeString(made, "classes");
            run.succeed();
        }

        assertThat(archive).hasContent("classes");
    }

    @Test
    void aFailedRunKeepsNone() throws IOException {
        try (LocalRun run = LocalRun.begin()) {
            new ClassArchives(run, installation("a.jar")).flags("worker");
            Files.writeString(run.directory().path().resolve("worker.jsa"), "too few classes");
        }

        assertThat(archive).doesNotExist();
    }

    @Test
    void laterProcessesUseTheArchive() throws IOException {
        Files.writeString(archive, "classes");
        try (LocalRun run = LocalRun.begin()) {
            List<String> flags = new ClassArchives(run, installation("a.jar")).flags("worker");

            assertThat(flags).contains("-XX:SharedArchiveFile=" + archive);
        }
    }

    @Test
    void aClassPathWithDirectoriesHasNone() {
        try (LocalRun run = LocalRun.begin()) {
            assertThat(new ClassArchives(run, installation("target/classes")).flags("worker"))
                    .isEmpty();
        }
    }

    private Installation installation(String classPath) {
        return new Installation(Path.of("/jdk/bin/java"), classPath, Optional.of(home));
    }
}
