package dev.inflight.tests.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import dev.inflight.cli.client.Operation;
import dev.inflight.cli.load.LoadReport;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;

/**
 * What became of an update in whose course somebody was killed.
 *
 * @param victim in words
 * @param seconds from the first SIGKILL until a coordinator told the update's end
 * @param version that every engine serves then
 * @param requests to engines that were to live
 */
record KillRow(
        HeldPhase phase,
        String victim,
        String mode,
        String outcome,
        double seconds,
        String version,
        LoadReport requests) {
    private static final Duration LIMIT = Duration.ofSeconds(15);

    static KillRow of(
            HeldPhase phase,
            String victim,
            String mode,
            Operation ended,
            double seconds,
            String version,
            LoadReport requests) {
        return new KillRow(phase, victim, mode, outcome(ended), seconds, version, requests);
    }

    /** Where all workers had ended it before the next coordinator came, there is no result. */
    private static String outcome(Operation ended) {
        JsonNode result = ended.result() == null ? MissingNode.getInstance() : ended.result();
        return result.path("outcome").asText(String.valueOf(ended.phase()));
    }

    void requireInTimeAndUnnoticed() {
        assertThat(seconds).as("%s", this).isLessThan(LIMIT.toSeconds());
        assertThat(requests.sent()).as("%s", this).isPositive();
        assertThat(requests.failed())
                .as("%s: %s", this, requests.firstProblem())
                .isZero();
        assertThat(requests.mixed()).as("%s: %s", this, requests.firstProblem()).isZero();
    }

    /** Prints a table and leaves it in a directory under target/. */
    static void write(List<KillRow> rows, String directory) throws IOException {
        List<String> lines = rows.stream().map(KillRow::toString).toList();
        lines.forEach(System.out::println);
        Files.write(Files.createDirectories(Path.of("target", directory)).resolve("table.txt"), lines);
    }

    @Override
    public String toString() {
        return String.format(
                Locale.ROOT,
                "%-10s  %-18s  %-8s  %-9s  %5.2f s  %s everywhere  %d requests, %d failed, %d mixed",
                phase.label(),
                victim,
                mode,
                outcome,
                seconds,
                version,
                requests.sent(),
                requests.failed(),
                requests.mixed());
    }
}
