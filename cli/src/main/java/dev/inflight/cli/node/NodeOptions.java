package dev.inflight.cli.node;

import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What the {@code node} command was told; null means the configuration's value.
 *
 * @param roles what it runs: a coordinator, a worker host or both
 * @param seeds addresses of nodes to join; empty makes a coordinator form a cluster of its own
 * @param profiles names of files under config/, later ones win
 * @param config a HOCON file that wins over the profiles
 * @param announce written once the node serves
 * @param parentPid the node stops when this process is gone
 */
public record NodeOptions(
        Set<String> roles,
        @Nullable String name,
        @Nullable String host,
        @Nullable Integer port,
        @Nullable Integer httpPort,
        List<String> seeds,
        @Nullable Integer workers,
        @Nullable Path runDir,
        @Nullable Path dataDir,
        List<String> profiles,
        @Nullable Path config,
        @Nullable Path announce,
        @Nullable Long parentPid) {}
