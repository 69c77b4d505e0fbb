package dev.inflight.worker.update;

import dev.inflight.protocol.plan.Bucket;
import dev.inflight.worker.store.StoredCheckpoint;
import dev.inflight.worker.transport.PeerException;
import dev.inflight.worker.transport.PeerTransfer;
import dev.inflight.worker.transport.SlotRange;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;

/**
 * Second stage, one per remote owner: brings its buckets within the engine's reach. Slots of an owner on the same
 * machine are mapped as they are; from elsewhere buckets come over a socket into landing slots and are checked there.
 */
final class FetchStage implements Callable<Void> {
    /** Requests sent ahead, so that the owner never waits for one. */
    private static final int AHEAD = 8;

    private final String owner;
    private final PeerTransfer transfer;
    private final List<Bucket> buckets;
    private final StoredCheckpoint checkpoint;
    private final @Nullable SlotBoard landing;
    private final int[] landingTurns;
    private final Located located;
    private final StageTimes times;

    /** Where a bucket can be read. */
    interface Located {
        /**
         * @param at the slot, by its number among the owner's if mapped, in the landing ring otherwise
         * @param release gives the slot back
         */
        void at(int bucket, SlotRange at, Runnable release);
    }

    /**
     * @param landing landing slots; null if the owner's slots are mapped
     * @param landingTurns turn on the landing board by bucket
     */
    FetchStage(
            String owner,
            PeerTransfer transfer,
            List<Bucket> buckets,
            StoredCheckpoint checkpoint,
            @Nullable SlotBoard landing,
            int[] landingTurns,
            Located located,
            StageTimes times) {
        this.owner = owner;
        this.transfer = transfer;
        this.buckets = buckets;
        this.checkpoint = checkpoint;
        this.landing = landing;
        this.landingTurns = landingTurns;
        this.located = located;
        this.times = times;
    }

    @Override
    public Void call() throws InterruptedException {
        try {
            for (int i = 0; i < buckets.size(); i++) {
                for (int ahead = i == 0 ? 0 : i + AHEAD - 1; ahead < Math.min(i + AHEAD, buckets.size()); ahead++) {
                    transfer.request(buckets.get(ahead).index());
                }
                if (landing == null) {
                    awaitMapped(buckets.get(i));
                } else {
                    land(buckets.get(i), landing);
                }
            }
        } catch (PeerException e) {
            throw new UpdateException(String.valueOf(e.getMessage()), owner, e);
        }
        return null;
    }

    private void awaitMapped(Bucket bucket) throws PeerException, InterruptedException {
        var at = transfer.awaitMapped(bucket.index());
        located.at(bucket.index(), at, () -> giveBack(bucket.index()));
    }

    private void land(Bucket bucket, SlotBoard board) throws PeerException, InterruptedException {
        var slot = board.enter(bucket.index(), landingTurns[bucket.index()], bucket.bytes());
        long start = System.nanoTime();
        transfer.fetch(bucket.index(), slot);
        times.transferNanos.add(System.nanoTime() - start);
        times.landedBytes.add(bucket.bytes());
        giveBack(bucket.index());
        check(bucket, slot);
        board.ready(bucket.index());
        var at = new SlotRange(board.region(bucket.index()).slot(), 0);
        located.at(bucket.index(), at, () -> board.consumed(bucket.index(), UpdateSession.SELF));
    }

    private void check(Bucket bucket, MemorySegment slot) {
        long start = System.nanoTime();
        for (var placement : bucket.placements()) {
            checkpoint.blocks(placement.slice()).checkAll(slot, placement.offset());
        }
        times.verifyNanos.add(System.nanoTime() - start);
    }

    private void giveBack(int bucket) {
        try {
            transfer.consumed(bucket);
        } catch (PeerException e) {
            throw new UpdateException(String.valueOf(e.getMessage()), owner, e);
        }
    }
}
