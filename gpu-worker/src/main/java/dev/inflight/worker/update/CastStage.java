package dev.inflight.worker.update;

import dev.inflight.protocol.plan.Bucket;
import dev.inflight.worker.aeron.Cast;
import dev.inflight.worker.aeron.CastLostException;
import dev.inflight.worker.transport.SlotRange;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Callable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Sends each own bucket once, to all workers elsewhere that receive the cast, in plan order. It is a consumer of the
 * board like any other. Once nobody receives, it only lets buckets go: whoever needs one asks for it.
 */
final class CastStage implements Callable<Void> {
    /** Among the consumers of own slots. */
    static final String CONSUMER = "Aeron";

    private static final Logger LOG = LoggerFactory.getLogger(CastStage.class);

    private final Cast cast;
    private final List<Bucket> buckets;
    private final OwnBuckets own;
    private final SlotBoard board;
    private final Duration patience;

    /** @param patience longest time in which the receivers take nothing */
    CastStage(Cast cast, List<Bucket> buckets, OwnBuckets own, SlotBoard board, Duration patience) {
        this.cast = cast;
        this.buckets = buckets;
        this.own = own;
        this.board = board;
        this.patience = patience;
    }

    @Override
    public Void call() throws InterruptedException {
        for (var bucket : buckets) {
            var at = board.awaitReady(bucket.index());
            if (cast.isLive()) {
                send(bucket.index(), at);
            }
            board.consumed(bucket.index(), CONSUMER);
        }
        return null;
    }

    private void send(int bucket, SlotRange at) throws InterruptedException {
        try {
            cast.send(bucket, own.bytes(bucket, at), patience);
        } catch (CastLostException e) {
            // Who waits for it asks for it over TCP; the board bounds how long that may take.
            LOG.warn("bucket {} and those after it are not cast: {}", bucket, e.getMessage());
        }
    }
}
