package dev.inflight.cli.demo;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Starts the cluster's members: the coordinator and the worker hosts. */
final class NodeLauncher {
    private static final String MAIN = "dev.inflight.cli.Inflight";
    private static final List<String> COORDINATOR_FLAGS =
            List.of("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1");
    /**
     * The copies and CRC32C that updates and joins consist of are machine code anyway, and a thorough compiler takes
     * processor time from them for as long as these processes live.
     */
    private static final List<String> WORKER_FLAGS = List.of("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1");
    /** One host has all workers and all of a real model's manifest. The heap takes no memory while updates run. */
    private static final List<String> CUDA_WORKER_FLAGS =
            List.of("-Xms2g", "-Xmx2g", "-XX:+AlwaysPreTouch", "-XX:+UseSerialGC");

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

    /** The one that the others join, which decides for as long as it lives. */
    ChildProcess startCoordinator() {
        return startCoordinator("coordinator", coordinatorPort, "ledger");
    }

    /** @param index from 1 */
    ChildProcess startStandby(int index) {
        return startCoordinator("coordinator-" + index, 0, "ledger-" + index);
    }

    private ChildProcess startCoordinator(String name, int port, String ledger) {
        List<String> arguments = List.of(
                "--port",
                String.valueOf(port),
                "--http-port",
                "0",
                "--data-dir",
                run.directory().path().resolve(ledger).toString());
        return start("coordinator", name, COORDINATOR_FLAGS, options.settings(), arguments);
    }

    /**
     * @param first number in the fleet of its first worker
     * @param workers on that host
     * @param settings of this host, over those of the fleet
     */
    ChildProcess startWorker(int index, int first, int workers, Map<String, String> settings) {
        Map<String, String> all = new LinkedHashMap<>(options.device().workerSettings(first, workers));
        all.putAll(options.settings());
        all.putAll(settings);
        return start(
                "worker",
                workerProcess(index),
                options.device().cuda() ? CUDA_WORKER_FLAGS : WORKER_FLAGS,
                all,
                List.of("--port", "0", "--workers", String.valueOf(workers)));
    }

    /** Name of a worker host in the cluster. */
    String hostName(int index) {
        return memberName(workerProcess(index));
    }

    private static String workerProcess(int index) {
        return "worker-" + index;
    }

    /** The run's id in a host's name is also in the names of its shared-memory files. */
    private String memberName(String process) {
        return run.directory().id() + "-" + process;
    }

    private ChildProcess start(
            String role, String name, List<String> flags, Map<String, String> settings, List<String> arguments) {
        Path announcement = run.directory().path().resolve(name + ".json");
        List<String> jvmFlags = new ArrayList<>(flags);
        jvmFlags.addAll(archives.flags(role));
        settings.forEach((path, value) -> jvmFlags.add("-D" + path + "=" + value));
        List<String> command = new ArrayList<>(installation.jvm(jvmFlags, MAIN));
        command.addAll(List.of("node", "--role", role));
        command.addAll(List.of("--name", memberName(name)));
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
