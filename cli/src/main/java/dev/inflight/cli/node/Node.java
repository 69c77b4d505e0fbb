package dev.inflight.cli.node;

import akka.actor.Address;
import akka.actor.AddressFromURIString;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.javadsl.Behaviors;
import akka.cluster.typed.Cluster;
import akka.cluster.typed.Join;
import akka.cluster.typed.JoinSeedNodes;
import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import dev.inflight.coordinator.CoordinatorNode;
import dev.inflight.coordinator.CoordinatorSettings;
import dev.inflight.worker.WorkerNode;
import dev.inflight.worker.WorkerSettings;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletionException;
import org.jspecify.annotations.Nullable;

/** Starts what a node's roles ask for and waits until the node leaves the cluster. */
public final class Node {
    /** Name of every actor system of a cluster; part of a node's address. */
    public static final String SYSTEM = "inflight";

    private Node() {}

    /**
     * Runs a node until it is told to stop. Blocks.
     *
     * @throws com.typesafe.config.ConfigException naming the setting that is wrong
     * @throws java.io.UncheckedIOException if a file or port can not be taken
     */
    public static void run(NodeOptions options) {
        var config = configuration(options);
        var coordinatorSettings = options.roles().contains("coordinator") ? CoordinatorSettings.from(config) : null;
        if (coordinatorSettings != null) {
            coordinatorSettings.http().requireUsable();
        }
        var workerSettings = options.roles().contains("worker") ? WorkerSettings.from(config) : null;
        if (workerSettings != null && coordinatorSettings == null) {
            Niceness.raise(ProcessHandle.current().pid(), workerSettings.nice());
        }

        ActorSystem<Void> system = ActorSystem.create(Behaviors.empty(), SYSTEM, config);
        try {
            join(system, options.seeds());
            var announcement = new Announcement(system, options);
            if (coordinatorSettings != null) {
                announcement.http(httpUri(system, coordinatorSettings));
            }
            if (workerSettings != null) {
                announcement.links(WorkerNode.start(system, workerSettings).sockets());
            }
            announcement.write(options.announce());
            if (options.parentPid() != null) {
                ParentWatch.start(options.parentPid(), system::terminate);
            }
        } catch (RuntimeException e) {
            system.terminate();
            throw e;
        }
        system.getWhenTerminated().toCompletableFuture().join();
    }

    private static URI httpUri(ActorSystem<?> system, CoordinatorSettings settings) {
        try {
            return CoordinatorNode.start(system, settings)
                    .toCompletableFuture()
                    .join()
                    .httpUri();
        } catch (CompletionException e) {
            var cause = e.getCause() == null ? e : e.getCause();
            throw new IllegalStateException(
                    "the HTTP API can not listen at " + settings.http().host() + ":"
                            + settings.http().port() + ": " + rootMessage(cause)
                            + "; choose another --http-port",
                    cause);
        }
    }

    private static String rootMessage(Throwable failure) {
        var cause = failure;
        while (cause.getCause() != null) {
            cause = cause.getCause();
        }
        return String.valueOf(cause.getMessage());
    }

    /** The node's configuration: options over --config over profiles over the defaults. */
    static Config configuration(NodeOptions options) {
        var layers = new ArrayList<Config>();
        layers.add(ConfigFactory.systemProperties());
        layers.add(overrides(options));
        if (options.config() != null) {
            layers.add(parse(options.config()));
        }
        for (var profile : options.profiles().reversed()) {
            layers.add(parse(configDirectory().resolve(profile + ".conf")));
        }
        var merged = ConfigFactory.empty();
        for (var layer : layers) {
            merged = merged.withFallback(layer);
        }
        return ConfigFactory.load(merged.withFallback(ConfigFactory.defaultApplication()));
    }

    private static Config parse(Path file) {
        if (!Files.isReadable(file)) {
            throw new IllegalArgumentException(file + ": no such configuration file");
        }
        return ConfigFactory.parseFile(file.toFile());
    }

    private static Path configDirectory() {
        return Path.of(System.getProperty("inflight.home", "."), "config");
    }

    private static Config overrides(NodeOptions options) {
        var values = new HashMap<String, Object>();
        values.put("akka.cluster.roles", List.copyOf(options.roles()));
        // A node that leaves the cluster, or is downed, ends; whoever supervises the process starts it anew.
        values.put("akka.coordinated-shutdown.exit-jvm", true);
        // For names that must differ between the processes of a machine.
        values.put("inflight.process", ProcessHandle.current().pid());
        put(values, "inflight.worker.name", options.name());
        put(values, "akka.remote.artery.canonical.hostname", options.host());
        put(values, "inflight.worker.peer.host", options.host());
        put(values, "akka.remote.artery.canonical.port", options.port());
        put(values, "inflight.coordinator.http.port", options.httpPort());
        put(values, "inflight.worker.workers", options.workers());
        put(
                values,
                "inflight.worker.run-dir",
                options.runDir() == null ? null : options.runDir().toString());
        put(
                values,
                "inflight.coordinator.data-dir",
                options.dataDir() == null ? null : options.dataDir().toString());
        return ConfigFactory.parseMap(values, "command line");
    }

    private static void put(Map<String, Object> values, String path, @Nullable Object value) {
        if (value != null) {
            values.put(path, value);
        }
    }

    private static void join(ActorSystem<?> system, List<String> seeds) {
        var cluster = Cluster.get(system);
        if (seeds.isEmpty()) {
            cluster.manager().tell(Join.create(cluster.selfMember().address()));
            return;
        }
        List<Address> addresses =
                seeds.stream().map(AddressFromURIString::parse).toList();
        cluster.manager().tell(new JoinSeedNodes(addresses));
    }

    /** Address of this node in the cluster, as {@code --seed} takes it. */
    static String address(ActorSystem<?> system) {
        return Cluster.get(system).selfMember().address().toString();
    }
}
