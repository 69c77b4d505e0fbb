package dev.inflight.cli.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TraceMergeTest {
    @TempDir
    private Path dir;

    @Test
    void everyWorkerIsAProcessOfItsOwnWithItsName() throws IOException {
        trace("17-w_0", "{\"name\":\"h2d\",\"ph\":\"X\",\"ts\":1,\"dur\":2,\"pid\":9,\"tid\":1}");
        trace(
                "17-w_1",
                "{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":9,\"args\":{\"name\":\"second\"}},"
                        + "{\"name\":\"h2d\",\"ph\":\"X\",\"ts\":3,\"dur\":4,\"pid\":9,\"tid\":1}");
        trace("18-w_0", "{\"name\":\"later\",\"ph\":\"X\",\"pid\":9}");
        Path target = dir.resolve("out/update.json");

        assertThat(TraceMerge.merge(dir, 17, target)).isEqualTo(2);

        JsonNode events = new ObjectMapper().readTree(target.toFile()).path("traceEvents");
        assertThat(events.findValuesAsText("ts")).containsExactly("1", "3");
        assertThat(events.findValuesAsText("pid")).containsExactly("1", "1", "2", "2");
        assertThat(events.get(1).at("/args/name").asText()).isEqualTo("w_0");
        assertThat(events.get(2).at("/args/name").asText()).isEqualTo("second");
    }

    @Test
    void withoutAFileOfTheUpdateNothingIsWritten() throws IOException {
        trace("18-w_0", "");

        assertThat(TraceMerge.merge(dir, 17, dir.resolve("update.json"))).isZero();
        assertThat(dir.resolve("update.json")).doesNotExist();
    }

    @Test
    void aFileThatIsNoTraceIsNamed() throws IOException {
        Files.writeString(dir.resolve("17-w_0.json"), "{}");

        assertThatThrownBy(() -> TraceMerge.merge(dir, 17, dir.resolve("update.json")))
                .hasMessageContaining("17-w_0.json: no traceEvents");
    }

    private void trace(String name, String events) throws IOException {
        Files.writeString(dir.resolve(name + ".json"), "{\"traceEvents\":[" + events + "]}");
    }
}
