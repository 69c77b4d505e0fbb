package dev.inflight.protocol.link;

import org.jspecify.annotations.Nullable;

/**
 * Where an engine's parameters live.
 *
 * @param kind host memory or a CUDA device
 * @param uuid the CUDA device's UUID; null for host memory
 */
public record EngineDevice(Kind kind, @Nullable String uuid) {
    public static final EngineDevice HOST = new EngineDevice(Kind.HOST, null);

    public enum Kind {
        HOST,
        CUDA;

        /** The name used on the wire. */
        public String label() {
            return this == HOST ? "host" : "cuda";
        }
    }
}
