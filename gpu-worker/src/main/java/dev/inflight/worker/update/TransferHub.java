package dev.inflight.worker.update;

import dev.inflight.worker.aeron.Cast;
import dev.inflight.worker.aeron.CastOffer;
import dev.inflight.worker.transport.PeerException;
import dev.inflight.worker.transport.SlotRegion;
import dev.inflight.worker.transport.TransferKey;
import dev.inflight.worker.transport.TransferOffer;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Where the peer server finds the slots that this host's workers serve in their present updates. A consumer may ask
 * before the owner has prepared: it then waits, but not for ever. Thread-safe.
 */
public final class TransferHub {
    private final String machine;
    private final Duration patience;
    private final ConcurrentHashMap<Source, CompletableFuture<Serving>> sources = new ConcurrentHashMap<>();

    private record Source(long epoch, String owner) {}

    private record Serving(
            SlotBoard board, OwnBuckets buckets, @Nullable Cast cast, BiConsumer<String, String> consumerLost) {}

    /**
     * @param machine identity of this host's shared memory
     * @param patience longest wait for an owner to prepare
     */
    public TransferHub(String machine, Duration patience) {
        this.machine = machine;
        this.patience = patience;
    }

    /**
     * Serves a board's buckets to consumers.
     *
     * @param buckets what the board's turns are for
     * @param cast where they are cast as well; null if they are not
     * @param consumerLost called with the consumer and the reason when one goes before it has consumed everything
     */
    void serve(
            long epoch,
            String owner,
            SlotBoard board,
            OwnBuckets buckets,
            @Nullable Cast cast,
            BiConsumer<String, String> consumerLost) {
        source(new Source(epoch, owner)).complete(new Serving(board, buckets, cast, consumerLost));
    }

    /** Stops serving an epoch's buckets of an owner; consumers that still ask are refused. */
    void withdraw(long epoch, String owner) {
        var source = sources.remove(new Source(epoch, owner));
        if (source != null) {
            source.cancel(false);
        }
    }

    public TransferOffer open(TransferKey key) throws PeerException, InterruptedException {
        var source = new Source(key.epoch(), key.owner());
        try {
            var serving = source(source).get(patience.toMillis(), TimeUnit.MILLISECONDS);
            serving.board().requireConsumer(key.consumer());
            return new TransferOffer(machine, serving.buckets().slots());
        } catch (TimeoutException e) {
            sources.computeIfPresent(source, (k, f) -> f.isDone() ? f : null);
            throw new PeerException(
                    key.owner() + " did not prepare epoch " + key.epoch() + " within " + patience.toMillis() + " ms");
        } catch (ExecutionException | CancellationException e) {
            throw new PeerException(key.owner() + " has left epoch " + key.epoch(), e);
        } catch (UpdateException e) {
            throw new PeerException(String.valueOf(e.getMessage()), e);
        }
    }

    /** Where an owner's buckets are cast; null if they are not, or not any more. */
    public @Nullable CastOffer cast(TransferKey key) throws PeerException {
        var cast = serving(key).cast();
        return cast != null && cast.isLive() ? cast.offer() : null;
    }

    public SlotRegion awaitBucket(TransferKey key, int bucket) throws PeerException, InterruptedException {
        var serving = serving(key);
        try {
            var at = serving.board().awaitReady(bucket);
            return new SlotRegion(at, serving.buckets().length(bucket));
        } catch (UpdateException e) {
            throw new PeerException(String.valueOf(e.getMessage()), e);
        }
    }

    public MemorySegment bytes(TransferKey key, int bucket) throws PeerException {
        var serving = serving(key);
        try {
            return serving.buckets().bytes(bucket, serving.board().at(bucket));
        } catch (UpdateException e) {
            throw new PeerException(String.valueOf(e.getMessage()), e);
        }
    }

    /** The buckets of an owner in this process, whose transfer is open. */
    OwnBuckets buckets(TransferKey key) throws PeerException {
        return serving(key).buckets();
    }

    public void consumed(TransferKey key, int bucket) throws PeerException {
        serving(key).board().consumed(bucket, key.consumer());
    }

    /** A consumer's transfer is over; {@code clean} if it had consumed every bucket it asked for. */
    public void closed(TransferKey key, boolean clean) {
        var source = sources.get(new Source(key.epoch(), key.owner()));
        if (!clean && source != null && source.state() == Future.State.SUCCESS) {
            source.resultNow().consumerLost().accept(key.consumer(), "its connection broke");
        }
    }

    private Serving serving(TransferKey key) throws PeerException {
        var source = sources.get(new Source(key.epoch(), key.owner()));
        if (source == null || source.state() != Future.State.SUCCESS) {
            throw new PeerException(key.owner() + " has left epoch " + key.epoch());
        }
        return source.resultNow();
    }

    private CompletableFuture<Serving> source(Source source) {
        return sources.computeIfAbsent(source, s -> new CompletableFuture<>());
    }
}
