package dev.inflight.protocol.cluster;

/**
 * Most bytes of one model, or of one tenant, that a worker host sends to other hosts in a second.
 *
 * @param scope whose bytes are counted together on each host, such as {@code model chat}
 * @param bytesPerSecond at least 1
 */
public record BandwidthLimit(String scope, long bytesPerSecond) {
    public BandwidthLimit {
        if (bytesPerSecond < 1) {
            throw new IllegalArgumentException(scope + " is limited to " + bytesPerSecond + " bytes per second");
        }
    }
}
