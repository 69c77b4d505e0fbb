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

    /**
     * The mode with this name.
     *
     * @throws IllegalArgumentException if there is none
     */
    public static LoadMode ofLabel(String label) {
        for (LoadMode mode : values()) {
            if (mode.label().equals(label)) {
                return mode;
            }
        }
        throw new IllegalArgumentException("no load mode is called \"" + label + "\"");
    }

    /** The name used on the wire, in the CLI and in documents. */
    public String label() {
        return this == IN_PLACE ? "in-place" : "shadow";
    }
}
