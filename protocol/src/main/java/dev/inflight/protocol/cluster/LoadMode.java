package dev.inflight.protocol.cluster;

import com.fasterxml.jackson.annotation.JsonProperty;

/** How an engine takes new weights. */
public enum LoadMode {
    /** Paused while it loads straight into live parameters. */
    @JsonProperty("in-place")
    IN_PLACE,
    /** Loads beside the live parameters while serving; commit swaps. */
    @JsonProperty("shadow")
    SHADOW;

    /** The name used on the wire, in the CLI and in documents. */
    public String label() {
        return this == IN_PLACE ? "in-place" : "shadow";
    }
}
