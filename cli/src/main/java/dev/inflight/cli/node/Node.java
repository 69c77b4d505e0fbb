package dev.inflight.cli.node;

/** Runs one member of the cluster until it is told to stop. */
public final class Node {
    private Node() {}

    /**
     * Starts the node's roles and returns when it has left the cluster.
     *
     * @return the process's exit code
     */
    @SuppressWarnings("DoNotCallSuggester")
    public static int run(NodeOptions options) {
        throw new UnsupportedOperationException("this build has no node runtime for "
                + String.join(",", options.roles()) + "; build a complete checkout");
    }
}
