package dev.inflight.protocol.cluster;

import com.fasterxml.jackson.annotation.JsonProperty;

/** Where an update's bytes are last compared with what was published, before its commit point. */
public enum VerifyPoint {
    /** Where the engine reads them: host store, slot or GPU memory. */
    @JsonProperty("arrival")
    ARRIVAL,
    /** There, and once more in the engine, when it has loaded everything. */
    @JsonProperty("engine")
    ENGINE;

    /** The name used on the wire, in the CLI and in documents. */
    public String label() {
        return this == ARRIVAL ? "arrival" : "engine";
    }
}
