package dev.inflight.worker.update;

import dev.inflight.protocol.cluster.HostStoreCommand.Restore;
import dev.inflight.protocol.plan.Membership;
import dev.inflight.protocol.plan.Place;
import dev.inflight.worker.store.HostStore;
import dev.inflight.worker.store.Need;
import dev.inflight.worker.store.StoredCheckpoint;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongConsumer;

/** Takes shards from other hosts into this one's store, for no engine of its own: another host is about to leave. */
public final class ShardTaking {
    private final String host;
    private final Place place;
    private final HostStore store;
    private final JoinSettings settings;
    private final Duration peerTimeout;

    /**
     * @param host this host's name
     * @param place where it is
     * @param peerTimeout longest silence of a source
     */
    public ShardTaking(String host, Place place, HostStore store, JoinSettings settings, Duration peerTimeout) {
        this.host = host;
        this.place = place;
        this.store = store;
        // Each host takes other shards: there is nothing to cast.
        this.settings = settings.withoutCasts();
        this.peerTimeout = peerTimeout;
    }

    /**
     * Returns when this host holds the shards.
     *
     * @param progress told how many more bytes have come, by several threads
     * @throws RuntimeException naming what can not be had
     */
    public StoredCheckpoint take(Restore order, LongConsumer progress) throws InterruptedException {
        var checkpoint = store.adopt(
                order.checkpoint(),
                order.sources().stream().map(Membership.Host::endpoint).toList());
        var need = Need.of(checkpoint, order.shards());
        var receiver = new Membership.Host(host, "", List.of(), place, List.of(), 0);
        var replica = store.replicate(checkpoint, need);
        var times = new StageTimes(store.damage());
        var told = new AtomicLong();
        try {
            Runnable moved = () -> {
                long now = times.receivedBytes.sum();
                long before = told.getAndAccumulate(now, Math::max);
                progress.accept(Math.max(0, now - before));
            };
            // A host that is about to leave is under its own limit alone: what it has must be elsewhere soon.
            new Replication(
                            checkpoint,
                            replica,
                            need,
                            receiver,
                            order.sources(),
                            settings,
                            peerTimeout,
                            List.of(),
                            times,
                            moved)
                    .call();
        } finally {
            replica.leave();
        }
        return checkpoint;
    }
}
