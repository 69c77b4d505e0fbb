package dev.inflight.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** Plays the recorded sessions that every engine is held to against a reference engine's process. */
class SessionVectorsTest {
    private static final Path SESSIONS = Path.of("../protocol/src/test/resources/engine-link/sessions");

    @TestFactory
    Stream<DynamicTest> theEngineAnswersAsRecorded() throws IOException {
        try (Stream<Path> files = Files.list(SESSIONS)) {
            List<Path> sessions = files.sorted().toList();
            assertThat(sessions).isNotEmpty();
            return sessions.stream()
                    .map(session -> DynamicTest.dynamicTest(
                            session.getFileName().toString(), () -> SessionRunner.play(session)));
        }
    }
}
