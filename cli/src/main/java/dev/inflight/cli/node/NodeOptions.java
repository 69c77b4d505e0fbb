package dev.inflight.cli.node;

import java.nio.file.Path;
import java.util.List;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/**
 * What {@code inflight node} was asked to run.
 *
 * @param roles what it is: a coordinator, a worker host or both
 * @param name the host's name in worker ids; unique in the cluster
 * @param host address to bind and to tell others
 * @param port Akka's port, 0 for any
 * @param httpPort port of the coordinator's HTTP API, 0 for any
 * @param seeds Akka addresses to join; this node forms a cluster of its own if empty
 * @param workers GPU workers on this host
 * @param runDir where engine-link sockets are made; a fresh directory if null
 * @param config HOCON file over the profile
 * @param profile {@code local}, {@code cluster} or {@code aeron-udp}
 * @param announce JSON file written once the node is up
 * @param exitWithParent process whose end ends this node
 */
public record NodeOptions(
        List<String> roles,
        String name,
        String host,
        int port,
        int httpPort,
        List<String> seeds,
        int workers,
        @Nullable Path runDir,
        @Nullable Path config,
        String profile,
        @Nullable Path announce,
        OptionalLong exitWithParent) {
    public NodeOptions {
        roles = List.copyOf(roles);
        seeds = List.copyOf(seeds);
    }
}
