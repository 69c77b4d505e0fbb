package dev.inflight.cli.demo;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Starts one engine process of the wanted kind beside its worker. */
final class EngineLauncher {
    private static final String REFERENCE_MAIN = "dev.inflight.engine.ReferenceEngine";
    /** Parameters live outside the heap. */
    private static final List<String> REFERENCE_FLAGS = List.of("-Xmx256m", "-XX:+UseSerialGC");

    private final LocalRun run;
    private final Installation installation;
    private final FleetOptions options;

    EngineLauncher(LocalRun run, Installation installation, FleetOptions options) {
        this.run = run;
        this.installation = installation;
        this.options = options;
    }

    /** @param link the worker's Unix socket */
    ChildProcess start(int index, String link) throws InterruptedException {
        String name = "engine-" + index;
        Path announcement = run.directory().path().resolve(name + ".json");
        List<String> command = new ArrayList<>(
                switch (options.engine()) {
                    case REFERENCE -> installation.jvm("engine", index == 0, REFERENCE_FLAGS, REFERENCE_MAIN);
                    case TORCH -> torch();
                });
        command.addAll(List.of("--link", link));
        command.addAll(List.of("--id", name));
        command.addAll(List.of("--model", options.model()));
        command.addAll(List.of("--modes", "in-place,shadow"));
        command.addAll(List.of("--http-port", "0"));
        command.addAll(List.of("--announce", announcement.toString()));
        command.addAll(List.of(
                "--exit-with-parent", String.valueOf(ProcessHandle.current().pid())));
        return run.start(name, command, environment(), announcement);
    }

    private List<String> torch() throws InterruptedException {
        Path python = PythonEnvironment.interpreter(
                installation.requireHome(), run.directory().log("build-venv"));
        return List.of(
                python.toString(),
                "-m",
                "inflight.engine",
                "--architecture",
                options.architecture().toString());
    }

    private Map<String, String> environment() {
        return switch (options.engine()) {
            case REFERENCE -> Map.of();
            case TORCH ->
                Map.of(
                        "PYTHONPATH",
                                installation.requireHome().resolve("python").toString(),
                        "PYTHONUNBUFFERED", "1",
                        // One thread each: several engines share this machine's cores.
                        "OMP_NUM_THREADS", "1");
        };
    }
}
