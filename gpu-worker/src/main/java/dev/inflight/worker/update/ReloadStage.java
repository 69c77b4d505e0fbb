package dev.inflight.worker.update;

import dev.inflight.protocol.checkpoint.CheckpointLayout;
import dev.inflight.protocol.link.NeededBytes;
import dev.inflight.protocol.link.TensorPart;
import dev.inflight.protocol.link.WorkerMessage;
import dev.inflight.protocol.plan.Bucket;
import dev.inflight.protocol.plan.Placement;
import dev.inflight.worker.link.EngineSession;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.LongConsumer;

/**
 * Third stage: tells the engine to load what it needs of every bucket, in plan order, and gives each slot back when the
 * engine has copied it. How many loads are outstanding is bounded by the slots they lie in. The end is said right behind the last
 * load, since the engine takes messages in order.
 */
final class ReloadStage implements Callable<Void> {
    private final EngineSession engine;
    private final long epoch;
    private final CheckpointLayout layout;
    private final List<Bucket> buckets;
    private final NeededBytes needed;
    private final Presence presence;
    private final Arrivals arrivals;
    private final Repairs repairs;
    private final Duration patience;
    private final Duration endTimeout;
    private final StageTimes times;
    private final LongConsumer progress;
    private long lastLoadedNanos;

    /**
     * @param needed what of the buckets the engine is told to load
     * @param presence waited for before the patience with a bucket begins
     * @param repairs brings what lost owners did not
     * @param patience longest wait for a bucket, and for the engine to load one
     * @param endTimeout longest wait for the engine to find that it has everything
     * @param progress told of the bytes loaded so far
     */
    ReloadStage(
            EngineSession engine,
            long epoch,
            CheckpointLayout layout,
            List<Bucket> buckets,
            NeededBytes needed,
            Presence presence,
            Arrivals arrivals,
            Repairs repairs,
            Duration patience,
            Duration endTimeout,
            StageTimes times,
            LongConsumer progress) {
        this.engine = engine;
        this.epoch = epoch;
        this.layout = layout;
        this.buckets = buckets;
        this.needed = needed;
        this.presence = presence;
        this.arrivals = arrivals;
        this.repairs = repairs;
        this.patience = patience;
        this.endTimeout = endTimeout;
        this.times = times;
        this.progress = progress;
    }

    @Override
    public Void call() throws InterruptedException {
        try (repairs) {
            return reload();
        }
    }

    private Void reload() throws InterruptedException {
        lastLoadedNanos = System.nanoTime();
        var loads = new ArrayList<CompletableFuture<Void>>();
        for (var bucket : buckets) {
            presence.await(bucket);
            var arrival = arrivals.await(bucket.index(), patience);
            loads.add(load(bucket, arrival == null ? repairs.bring(bucket) : arrival, needed.of(bucket)));
        }
        var ended = engine.end(new WorkerMessage.End(epoch));
        for (var load : loads) {
            await(load);
        }
        EngineAnswers.await("end", engine, ended, endTimeout);
        return null;
    }

    /** A load that fails also ends the wait for later buckets, whose slots it may be holding. */
    private CompletableFuture<Void> load(Bucket bucket, Arrivals.Arrival arrival, List<Placement> wanted) {
        if (wanted.isEmpty()) {
            arrival.release().run();
            return CompletableFuture.completedFuture(null);
        }
        long sent = System.nanoTime();
        return engine.load(
                        new WorkerMessage.Load(epoch, bucket.index(), arrival.slot(), parts(wanted, arrival.offset())))
                .orTimeout(patience.toMillis(), TimeUnit.MILLISECONDS)
                .thenAccept(loaded -> {
                    loaded(bucket, wanted, sent);
                    arrival.release().run();
                })
                .whenComplete((done, failure) -> {
                    if (failure != null) {
                        arrivals.fail(named(failure));
                    }
                });
    }

    private UpdateException named(Throwable failure) {
        var cause = failure instanceof CompletionException && failure.getCause() != null ? failure.getCause() : failure;
        return cause instanceof UpdateException known ? known : EngineAnswers.during("load", engine, patience, cause);
    }

    private void await(CompletableFuture<Void> load) throws InterruptedException {
        try {
            load.get();
        } catch (ExecutionException e) {
            throw named(e.getCause() == null ? e : e.getCause());
        }
    }

    /** Runs on the link's thread, once for each bucket, in order. */
    private void loaded(Bucket bucket, List<Placement> wanted, long sent) {
        long now = System.nanoTime();
        times.reloaded(bucket.index(), new Timeline.Span(Math.max(sent, lastLoadedNanos), now));
        lastLoadedNanos = now;
        for (var placement : wanted) {
            times.loadedBytes.add(placement.slice().bytes());
        }
        progress.accept(times.loadedBytes.sum());
    }

    private List<TensorPart> parts(List<Placement> wanted, long offset) {
        return wanted.stream().map(placement -> part(placement, offset)).toList();
    }

    private TensorPart part(Placement placement, long offset) {
        var slice = placement.slice();
        var tensor = layout.tensors().get(slice.tensor());
        return new TensorPart(
                tensor.name(),
                tensor.dtype(),
                tensor.shape(),
                offset + placement.offset(),
                slice.bytes(),
                slice.begin());
    }
}
