package dev.inflight.cli;

import dev.inflight.cli.node.Node;
import dev.inflight.cli.node.NodeOptions;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

@Command(name = "node", description = "Run a coordinator or a worker host, a member of the cluster, until stopped.")
@SuppressWarnings("NullAway.Init")
final class NodeCommand implements Callable<Integer> {
    private static final List<String> ROLES = List.of("coordinator", "worker");
    /** Read by logback.xml. */
    private static final String LOG_FORMAT = "INFLIGHT_LOG_FORMAT";

    private static final List<String> PROFILES = List.of("local", "cluster", "gpu", "aeron-udp", "tls");

    @Spec
    private CommandSpec spec;

    @Option(
            names = "--role",
            required = true,
            split = ",",
            paramLabel = "ROLE",
            description = "coordinator, worker, or both separated by a comma.")
    private List<String> roles = new ArrayList<>();

    @Option(
            names = "--name",
            paramLabel = "NAME",
            description = "This host's name in worker ids, unique in the cluster (default: the machine's host name).")
    private @Nullable String name;

    @Option(
            names = "--host",
            paramLabel = "ADDRESS",
            description = "Address to listen on and to tell the others (default: the profile's).")
    private @Nullable String host;

    @Option(
            names = "--port",
            paramLabel = "PORT",
            description = "Port for cluster traffic, 0 for any (default: the profile's).")
    private @Nullable Integer port;

    @Option(
            names = "--http-port",
            paramLabel = "PORT",
            description = "Port of the coordinator's HTTP API, 0 for any (default: 8780).")
    private @Nullable Integer httpPort;

    @Option(
            names = "--seed",
            paramLabel = "URL",
            description = "A member to join, e.g. akka://inflight@10.0.0.1:2551; repeat for several.")
    private List<String> seeds = new ArrayList<>();

    @Option(
            names = {"--workers", "--gpus"},
            paramLabel = "N",
            description = "GPU workers on this host, one per engine (default: 1).")
    private @Nullable Integer workers;

    @Option(
            names = "--run-dir",
            paramLabel = "DIR",
            description = "Where engines' sockets are made; keep it short (default: the profile's).")
    private @Nullable Path runDir;

    @Option(
            names = "--data-dir",
            paramLabel = "DIR",
            description = "Where a coordinator node keeps its ledger, a directory of its own (default: the profile's).")
    private @Nullable Path dataDir;

    @Option(names = "--config", paramLabel = "FILE", description = "HOCON settings that override the profile's.")
    private @Nullable Path config;

    @Option(
            names = "--profile",
            split = ",",
            paramLabel = "PROFILE",
            defaultValue = "local",
            description = "Files of config/ to start from, later ones win: local, cluster, gpu, aeron-udp, tls"
                    + " (default: ${DEFAULT-VALUE}).")
    private List<String> profiles = new ArrayList<>();

    @Option(
            names = "--announce",
            paramLabel = "FILE",
            description = "Write addresses and sockets as JSON to this file once the node is up.")
    private @Nullable Path announce;

    @Option(names = "--exit-with-parent", paramLabel = "PID", description = "Stop when this process has ended.")
    private @Nullable Long parent;

    @Override
    public Integer call() {
        requireKnown("--role", roles, ROLES);
        requireKnown("--profile", profiles, PROFILES);
        String logs = System.getenv(LOG_FORMAT);
        requireKnown(LOG_FORMAT, logs == null ? List.of() : List.of(logs), List.of("text", "json"));
        requirePort("--port", port);
        requirePort("--http-port", httpPort);
        if (workers != null && workers < 1) {
            throw new ParameterException(spec.commandLine(), "--workers " + workers + " is below 1");
        }
        Node.run(new NodeOptions(
                Set.copyOf(roles),
                name == null ? hostName() : name,
                host,
                port,
                httpPort,
                seeds,
                workers,
                runDir,
                dataDir,
                profiles,
                config,
                announce,
                parent));
        return ExitCode.OK;
    }

    private void requireKnown(String option, List<String> given, List<String> known) {
        for (String value : given) {
            if (!known.contains(value)) {
                throw new ParameterException(
                        spec.commandLine(), option + " " + value + " is none of " + String.join(", ", known));
            }
        }
    }

    private void requirePort(String option, @Nullable Integer value) {
        if (value != null && (value < 0 || value > 65_535)) {
            throw new ParameterException(spec.commandLine(), option + " " + value + " is outside 0 to 65535");
        }
    }

    private static String hostName() {
        try {
            return InetAddress.getLocalHost().getHostName();
        } catch (UnknownHostException e) {
            return "localhost";
        }
    }
}
