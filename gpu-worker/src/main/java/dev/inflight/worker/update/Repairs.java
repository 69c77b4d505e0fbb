package dev.inflight.worker.update;

import dev.inflight.protocol.plan.Bucket;
import dev.inflight.protocol.plan.Membership;
import dev.inflight.worker.store.StoredCheckpoint;
import dev.inflight.worker.transport.PeerException;
import dev.inflight.worker.transport.SlotRange;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Brings what lost owners did not, out of host stores into landing slots. For the thread that tells the engine what to
 * load, and only when the bucket's turn has come.
 *
 * <p>That is why nobody waits for ever: every bucket before this one has been given to the engine, so every landing slot
 * is free or will be when the engine has copied it, whoever else waits for one. Fetching ahead could fill the slots
 * with buckets that come after one whose owner is lost later.
 */
final class Repairs implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Repairs.class);

    private final LostOwners lost;
    private final StoreBytes bytes;
    private final StoredCheckpoint checkpoint;
    private final Function<Bucket, Place> places;
    private final Mending mending;
    private final StageTimes times;
    private final Map<String, Integer> triedInVain = new HashMap<>();

    /**
     * Where an owner's buckets come to, and as what.
     *
     * @param firstSlot the engine's number of the board's first slot
     */
    record Place(String owner, LandingBoard board, int firstSlot) {}

    /** @param places tells where a bucket comes to */
    Repairs(
            LostOwners lost,
            StoreBytes bytes,
            StoredCheckpoint checkpoint,
            Function<Bucket, Place> places,
            Mending mending,
            StageTimes times) {
        this.mending = mending;
        this.lost = lost;
        this.bytes = bytes;
        this.checkpoint = checkpoint;
        this.places = places;
        this.times = times;
    }

    /** Returns when the bucket is verified in a slot. */
    Arrivals.Arrival bring(Bucket bucket) throws InterruptedException {
        var place = places.apply(bucket);
        var board = place.board();
        int slot = board.enter(bucket.index());
        var inbound = board.slots().inbound(slot).asSlice(0, bucket.bytes());
        mending.bring(bucket, () -> {
            var holders = take(bucket, place.owner(), inbound);
            check(bucket, inbound);
            var names = holders.stream().map(Membership.Host::name).collect(Collectors.joining(", "));
            times.damage.brought(bucket.index(), "stores of " + names);
        });
        board.slots().settle(slot, bucket.bytes(), board.patience());
        board.landed(bucket.index());
        var at = new SlotRange(slot, 0);
        return new Arrivals.Arrival(place.firstSlot() + at.slot(), at.offset(), () -> board.consumed(bucket.index()));
    }

    /**
     * Hosts that can not give it are tried again only when the coordinator has told something new.
     *
     * @return those that it may have come from
     */
    private List<Membership.Host> take(Bucket bucket, String owner, MemorySegment to) throws InterruptedException {
        while (true) {
            var holders = lost.await(owner, triedInVain.getOrDefault(owner, 0));
            long start = System.nanoTime();
            try {
                times.landedBytes.add(bytes.copy(bucket, to, holders.hosts()));
                times.transferNanos.add(System.nanoTime() - start);
                return holders.hosts();
            } catch (PeerException e) {
                if (Thread.currentThread().isInterrupted()) {
                    throw new InterruptedException();
                }
                LOG.info("bucket {} of lost owner {} can not be had now: {}", bucket.index(), owner, e.getMessage());
                lost.missed(owner, String.valueOf(e.getMessage()));
                triedInVain.put(owner, holders.told());
            }
        }
    }

    private void check(Bucket bucket, MemorySegment inbound) {
        long start = System.nanoTime();
        checkpoint.check(bucket, inbound);
        times.verifyNanos.add(System.nanoTime() - start);
    }

    @Override
    public void close() {
        bytes.close();
    }
}
