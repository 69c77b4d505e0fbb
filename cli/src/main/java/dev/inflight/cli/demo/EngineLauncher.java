package dev.inflight.cli.demo;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Starts one engine process of the wanted kind beside its worker. */
final class EngineLauncher {
    private static final String REFERENCE_MAIN = "dev.inflight.engine.ReferenceEngine";
    /** Parameters live outside the heap, and are only copied. */
    private static final List<String> REFERENCE_FLAGS =
            List.of("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1");

    private final LocalRun run;
    private final Installation installation;
    private final ClassArchives archives;
    private final FleetOptions options;
    private final @Nullable Path python;

    private EngineLauncher(
            LocalRun run,
            Installation installation,
            ClassArchives archives,
            FleetOptions options,
            @Nullable Path python) {
        this.run = run;
        this.installation = installation;
        this.archives = archives;
        this.options = options;
        this.python = python;
    }

    /**
     * Gets ready to start engines; for torch that may build its Python environment.
     *
     * @param environment of this process
     */
    static EngineLauncher prepare(
            LocalRun run,
            Installation installation,
            ClassArchives archives,
            FleetOptions options,
            Map<String, String> environment)
            throws InterruptedException {
        Path python = options.engine() == EngineKind.TORCH
                ? PythonEnvironment.interpreter(run, installation.requireHome(), environment)
                : null;
        return new EngineLauncher(run, installation, archives, options, python);
    }

    /**
     * @param link the worker's Unix socket
     * @param warmBytes memory for parameters that a reference engine touches at start
     */
    ChildProcess start(int index, String link, long warmBytes) {
        String name = "engine-" + index;
        Path announcement = run.directory().path().resolve(name + ".json");
        List<String> command = new ArrayList<>(
                switch (options.engine()) {
                    case REFERENCE -> reference(warmBytes);
                    case TORCH -> torch();
                });
        command.addAll(List.of("--link", link));
        command.addAll(List.of("--id", name));
        command.addAll(List.of("--model", options.model()));
        command.addAll(List.of("--modes", "in-place,shadow"));
        command.addAll(options.groups().flags(index));
        command.addAll(List.of("--http-port", "0"));
        command.addAll(List.of("--announce", announcement.toString()));
        command.addAll(List.of(
                "--exit-with-parent", String.valueOf(ProcessHandle.current().pid())));
        return run.start(name, command, environment(index), announcement);
    }

    private List<String> reference(long warmBytes) {
        List<String> flags = new ArrayList<>(REFERENCE_FLAGS);
        flags.addAll(archives.flags("engine"));
        List<String> command = new ArrayList<>(installation.jvm(flags, REFERENCE_MAIN));
        if (options.shadow()) {
            command.add("--reserve-shadow");
        }
        if (warmBytes > 0) {
            command.addAll(List.of("--warm", String.valueOf(warmBytes)));
        }
        return command;
    }

    private List<String> torch() {
        List<String> command = new ArrayList<>(List.of(String.valueOf(python), "-m", "inflight.engine"));
        command.addAll(List.of("--architecture", options.architecture().toString()));
        if (options.device().cuda()) {
            command.addAll(List.of("--device", "cuda"));
        }
        if (options.shadow()) {
            command.add("--reserve-shadow");
        }
        return command;
    }

    private Map<String, String> environment(int index) {
        if (options.engine() == EngineKind.REFERENCE) {
            return Map.of();
        }
        Map<String, String> environment = new HashMap<>();
        environment.put(
                "PYTHONPATH", installation.requireHome().resolve("python").toString());
        environment.put("PYTHONUNBUFFERED", "1");
        // One thread each: several engines share this machine's cores.
        environment.put("OMP_NUM_THREADS", "1");
        if (options.device().cuda()) {
            // It sees no other GPU and so numbers them otherwise than its worker, as in real fleets.
            environment.put("CUDA_VISIBLE_DEVICES", options.device().gpu(index));
        }
        return environment;
    }
}
