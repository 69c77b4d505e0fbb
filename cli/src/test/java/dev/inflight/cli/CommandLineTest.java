package dev.inflight.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CommandLineTest {
    @ParameterizedTest
    @ValueSource(
            strings = {
                "--help",
                "demo --help",
                "node --help",
                "publish --help",
                "update --help",
                "status --help",
                "verify --help",
                "bench --help",
                "bench update --help",
                "bench plan --help",
                "doctor --help"
            })
    void everyHelpTellsTheExitCodes(String arguments) {
        CommandRun run = CommandRun.of(arguments.split(" "));

        assertThat(run.exitCode()).isZero();
        assertThat(run.out()).contains("Usage: inflight", "Exit codes:", "3     no coordinator can be reached");
        assertThat(run.err()).isEmpty();
    }

    @Test
    void theHelpTellsWhatAnInterruptedCommandExitsWith() {
        assertThat(CommandRun.of("--help").out()).contains("130   interrupted");
    }

    @Test
    void anUnknownEngineIsAnsweredWithTheOnesThereAre() {
        assertThat(CommandRun.of("demo", "--engine", "steam").err())
                .contains("--engine steam is none of reference, torch");
        assertThat(CommandRun.of("demo", "--mode", "sideways").err())
                .contains("--mode sideways is none of in-place, shadow");
    }

    @Test
    void benchWithoutACommandShowsItsUsageAndFails() {
        CommandRun run = CommandRun.of("bench");

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.out()).isEmpty();
        assertThat(run.err()).contains("Usage: inflight bench", "update", "plan");
    }

    @Test
    void withoutACommandItShowsItsUsageAndFails() {
        CommandRun run = CommandRun.of();

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.out()).isEmpty();
        assertThat(run.err()).contains("demo", "node", "publish", "update", "status", "verify", "bench", "doctor");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "demo --size 3XB",
                "demo --size 1KiB",
                "demo --workers 0",
                "demo --mode sideways",
                "demo --engine steam",
                "demo --scenario flood",
                "demo --checkpoint /does/not/exist",
                "bench update --runs 0",
                "bench plan --model gpt-9",
                "bench plan --workers 0",
                "node",
                "node --role captain",
                "node --role worker --port 70000",
                "node --role worker --workers 0",
                "node --role worker --profile fast",
                "publish --model m --version v",
                "update --model m",
                "update --model m --version v --coordinator nonsense",
                "verify",
                "status --jason",
                "dmeo"
            })
    void aWrongCommandLineIsOneLineThatNamesTheHelp(String arguments) {
        CommandRun run = CommandRun.of(arguments.split(" "));

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.out()).isEmpty();
        assertThat(run.err().lines())
                .singleElement()
                .asString()
                .startsWith("inflight: ")
                .contains("--help`");
    }

    @Test
    void aWrongCommandLineIsAlsoToldAsJson() {
        CommandRun run = CommandRun.of("demo", "--size", "3XB", "--json");

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.json().path("error").asText()).contains("\"3XB\" is not a size");
    }
}
