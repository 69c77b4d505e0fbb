package dev.inflight.cli.demo;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Starts the cluster's members: the coordinator and the worker hosts. */
final class NodeLauncher {
    private static final String MAIN = "dev.inflight.cli.Inflight";
    private static final List<String> COORDINATOR_FLAGS =
            List.of("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1");
    private static final List<String> WORKER_FLAGS = List.of("-Xmx512m", "-XX:+UseSerialGC");
    /** One host has all workers and all of a real model's manifest. */
    private static final List<String> CUDA_WORKER_FLAGS = List.of("-Xmx2g", "-XX:+UseSerialGC");

    private final LocalRun run;
    private final Installation installation;
    private final ClassArchives archives;
    private final String address;
    private final int coordinatorPort;
    private final FleetOptions options;

    /** @param coordinatorPort Akka's port of the coordinator, which all members join */
    NodeLauncher(
            LocalRun run,
            Installation installation,
            ClassArchives archives,
            String address,
            int coordinatorPort,
            FleetOptions options) {
        this.run = run;
        this.installation = installation;
        this.archives = archives;
        this.address = address;
        this.coordinatorPort = coordinatorPort;
        this.options = options;
    }

    ChildProcess startCoordinator() {
        List<String> arguments = List.of("--port", String.valueOf(coordinatorPort), "--http-port", "0");
        return start("coordinator", "coordinator", COORDINATOR_FLAGS, Map.of(), arguments);
    }

    /**
     * @param first number of its first worker in the fleet
     * @param workers on that host
     */
    ChildProcess startWorker(int index, int first, int workers) {
        return start(
                "worker",
                "worker-" + index,
                options.device().cuda() ? CUDA_WORKER_FLAGS : WORKER_FLAGS,
                options.device().workerSettings(first, workers),
                List.of("--port", "0", "--workers", String.valueOf(workers)));
    }

    private ChildProcess start(
            String role, String name, List<String> flags, Map<String, String> settings, List<String> arguments) {
        Path announcement = run.directory().path().resolve(name + ".json");
        List<String> jvmFlags = new ArrayList<>(flags);
        jvmFlags.addAll(archives.flags(role));
        settings.forEach((path, value) -> jvmFlags.add("-D" + path + "=" + value));
        options.settings().forEach((path, value) -> jvmFlags.add("-D" + path + "=" + value));
        List<String> command = new ArrayList<>(installation.jvm(jvmFlags, MAIN));
        command.addAll(List.of("node", "--role", role));
        // The run's id in the host's name is also in the names of its shared-memory files.
        command.addAll(List.of("--name", run.directory().id() + "-" + name));
        command.addAll(List.of("--host", address));
        command.addAll(List.of("--seed", "akka://inflight@" + address + ":" + coordinatorPort));
        command.addAll(List.of("--run-dir", run.directory().path().toString()));
        command.addAll(List.of("--profile", "local"));
        command.addAll(List.of("--announce", announcement.toString()));
        command.addAll(List.of(
                "--exit-with-parent", String.valueOf(ProcessHandle.current().pid())));
        command.addAll(arguments);
        return run.start(name, command, Map.of(), announcement);
    }
}
