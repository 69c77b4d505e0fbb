package dev.inflight.worker.transport;

import dev.inflight.protocol.cluster.BandwidthLimit;
import java.time.Duration;
import java.util.List;

/**
 * How fast one connection may be sent bytes: under the limits that its client named, then the host's own. While it waits
 * for its turn the client is told, who would otherwise take it for stalled. For one thread; an interrupt ends a wait.
 */
final class ConnectionPace implements AutoCloseable {
    /** How often a client that waits hears of it. */
    private static final Duration TOLD = Duration.ofMillis(500);

    private final FrameChannel channel;
    private final RateLimit host;
    private final SharedLimits shared;
    private List<BandwidthLimit> told = List.of();
    private List<RateLimit> limits = List.of();
    private long tellAt;

    /** @param host what all connections of this host keep to together */
    ConnectionPace(FrameChannel channel, RateLimit host, SharedLimits shared) {
        this.channel = channel;
        this.host = host;
        this.shared = shared;
        this.tellAt = System.nanoTime();
    }

    /** What is sent from now on counts under these limits. */
    void keepTo(List<BandwidthLimit> next) {
        close();
        limits = shared.enter(next);
        told = next;
    }

    /** Waits until part of a shard may be sent. */
    void takePart(long bytes) throws PeerException, InterruptedException {
        // The one that all share comes last: nobody holds a turn of it while waiting for another.
        for (var limit : limits) {
            limit.take(bytes, TOLD, this::tell);
        }
        host.take(bytes, TOLD, this::tell);
    }

    /** Waits until part of a bucket may be sent: at once unless the update is limited. */
    void takeBucket(long bytes) throws PeerException, InterruptedException {
        if (!limits.isEmpty()) {
            takePart(bytes);
        }
    }

    private void tell() throws PeerException {
        long now = System.nanoTime();
        if (now - tellAt >= 0) {
            tellAt = now + TOLD.toNanos();
            channel.send(Op.WAIT, 0);
        }
    }

    @Override
    public void close() {
        shared.leave(told);
        told = List.of();
        limits = List.of();
    }
}
