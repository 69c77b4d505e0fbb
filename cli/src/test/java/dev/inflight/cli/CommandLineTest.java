package dev.inflight.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.inflight.worker.cuda.CudaDriver;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledIf;
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
                "bench gpu --help",
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
    void groupsThatDoNotFillTheWorkersAreRefused() {
        assertThat(CommandRun.of("demo", "--tp", "2", "--workers", "3").err())
                .contains("--workers 3 is no multiple of --tp 2");
        assertThat(CommandRun.of("demo", "--tp", "0").err()).contains("is no multiple of --tp 0");
    }

    @Test
    void theHelpNamesThePythonOfTorchEngines() {
        assertThat(CommandRun.of("--help").out()).contains("INFLIGHT_PYTHON");
        assertThat(CommandRun.of("demo", "--help").out()).contains("--device", "--slot-memory", "768MiB");
        assertThat(CommandRun.of("demo", "--help").out())
                .contains("join:", "mass-join:", "kill-source:", "leave:", "--joiners", "--path");
    }

    @Test
    @DisabledIf("aGpu")
    void withoutAGpuItSaysWhatIsMissing() {
        assertThat(CommandRun.of("bench", "gpu", "--gpus", "2", "--json"))
                .satisfies(run -> assertThat(run.exitCode()).isEqualTo(1))
                .satisfies(run -> assertThat(run.json().path("error").asText())
                        .contains("bench gpu needs 2 NVIDIA GPUs and CUDA shows none"));
        assertThat(CommandRun.of("bench", "gpu").err()).contains("bench gpu needs 1 NVIDIA GPU ");
        assertThat(CommandRun.of("bench", "update", "--device", "cuda").err())
                .contains("--device cuda needs 1 NVIDIA GPU ");
    }

    static boolean aGpu() {
        return CudaDriver.load().isPresent();
    }

    @Test
    void benchWithoutACommandShowsItsUsageAndFails() {
        CommandRun run = CommandRun.of("bench");

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.out()).isEmpty();
        assertThat(run.err()).contains("Usage: inflight bench", "update", "plan", "gpu");
    }

    @Test
    void withoutACommandItShowsItsUsageAndFails() {
        CommandRun run = CommandRun.of();

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.out()).isEmpty();
        assertThat(run.err())
                .contains("demo", "node", "publish", "update", "status", "history", "verify", "bench", "doctor");
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
                "demo --scenario join --path pigeon",
                "demo --scenario join --joiners 2",
                "demo --scenario join --tp 2",
                "demo --scenario mass-join --joiners 0",
                "demo --scenario mass-join --joiners 33",
                "demo --scenario kill-source --workers 1",
                "demo --scenario leave --workers 1",
                "demo --scenario leave --path tcp",
                "demo --path tcp",
                "demo --checkpoint /does/not/exist",
                "demo --device tpu",
                "demo --device cuda --engine reference",
                "demo --device cuda --slot-memory 1KiB",
                "demo --device cuda --workers 4 --hosts 3",
                "demo --hosts 2",
                "bench update --runs 0",
                "bench gpu --model gpt-9",
                "bench gpu --mode sideways",
                "bench gpu --gpus 0",
                "bench gpu --runs 0",
                "bench gpu --hosts 0",
                "bench gpu --exchange rdma",
                "bench gpu --repeat -1",
                "bench gpu --slot-memory much",
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
