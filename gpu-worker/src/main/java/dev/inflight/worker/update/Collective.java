package dev.inflight.worker.update;

import dev.inflight.protocol.plan.Bucket;
import dev.inflight.protocol.plan.UpdatePlan;
import dev.inflight.worker.cuda.CudaEvent;
import dev.inflight.worker.cuda.CudaException;
import dev.inflight.worker.device.CudaSlotRing;
import dev.inflight.worker.nccl.Group;
import dev.inflight.worker.nccl.GroupLease;
import dev.inflight.worker.store.CorruptBlockException;
import java.time.Duration;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The exchange of an update's buckets by NCCL: a broadcast of each, in plan order, on one stream. The owner sends from
 * its slot once the bucket is verified there; the others receive into landing slots and check it where it landed, or, if
 * they have no engine, drop it.
 *
 * <p>Two stages: {@link #queue} puts broadcasts on the stream as soon as there are slots for them, {@link #finish} waits
 * for them in the same order and passes the buckets on. All workers queue in plan order, so whoever has the lowest
 * bucket that is not done can always go on. Once an update does not end well, its communicator is aborted: only that
 * ends a kernel that waits for a peer.
 */
final class Collective implements AutoCloseable {
    /** Among the consumers of own slots. */
    static final String CONSUMER = "NCCL";

    private static final Logger LOG = LoggerFactory.getLogger(Collective.class);
    private static final Duration DRAIN = Duration.ofSeconds(10);
    private static final long PARK_NANOS = 20_000;
    /** Polls of the GPU between two looks at what NCCL itself has noticed. */
    private static final int POLLS_PER_CHECK = 64;

    private static final long TRIAL_BYTES = 256;

    private final UpdatePlan plan;
    private final GroupLease lease;
    private final CudaLane lane;
    private final CudaBlockCheck check;
    private final DamagedBroadcast damaged;
    private final Runnable stuck;
    private final StageTimes times;
    private final Duration patience;
    private final BlockingQueue<Flight> flights = new LinkedBlockingQueue<>();
    private @Nullable Outgoing outgoing;
    private @Nullable Ingoing ingoing;

    /** Own buckets. */
    private record Outgoing(SlotBoard board, CudaSlotRing ring) {}

    /** @param located told where buckets are; null if nobody wants them */
    private record Ingoing(LandingBoard board, CudaSlotRing ring, Incoming.@Nullable Located located) {}

    /** A bucket whose broadcast is on the stream. */
    private record Flight(Bucket bucket, boolean own, CudaLane.Copies marks, CudaBlockCheck.@Nullable Started checked)
            implements AutoCloseable {
        @Override
        public void close() {
            if (checked != null) {
                checked.close();
            }
            marks.close();
        }
    }

    /**
     * @param lease of the members' communicator, not joined yet
     * @param lane a stream for the broadcasts alone
     * @param check for received buckets
     * @param damaged told what it finds
     * @param stuck called if the GPU may still use the slots when this is closed
     * @param patience longest wait for a broadcast
     */
    Collective(
            UpdatePlan plan,
            GroupLease lease,
            CudaLane lane,
            CudaBlockCheck check,
            DamagedBroadcast damaged,
            Runnable stuck,
            StageTimes times,
            Duration patience) {
        this.plan = plan;
        this.lease = lease;
        this.lane = lane;
        this.check = check;
        this.damaged = damaged;
        this.stuck = stuck;
        this.times = times;
        this.patience = patience;
    }

    /** Says where own buckets are; {@link #CONSUMER} must have joined the board. Before {@link #join}. */
    void sendFrom(SlotBoard board, OwnBuckets buckets) {
        if (!(buckets instanceof CudaOwnBuckets onGpu)) {
            throw new IllegalArgumentException("own buckets are not on a GPU");
        }
        outgoing = new Outgoing(board, onGpu.ring());
    }

    /**
     * Says where the buckets of others go, all of which the board must expect. Before {@link #join}.
     *
     * @param located told of each bucket that is there and verified; null to drop them unseen
     */
    void receiveInto(LandingBoard board, Incoming.@Nullable Located located) {
        if (!(board.slots().ring() instanceof CudaSlotRing ring)) {
            throw new IllegalArgumentException("landing slots are not on a GPU");
        }
        ingoing = new Ingoing(board, ring, located);
    }

    /** Waits for the other members. A new communicator is tried out, while no engine has been touched yet. */
    void join(GroupLease.Joining joining) throws InterruptedException {
        var joined = lease.join(joining);
        if (joined.isFirstUse() && !plan.buckets().isEmpty()) {
            tryOut(joined, root(joined, plan.buckets().getFirst()));
        }
    }

    /** A few bytes to slots that nothing has landed in yet, from one that owns something. */
    private void tryOut(Group joined, int root) throws InterruptedException {
        var in = ingoing;
        var ring = in == null ? out().ring() : in.ring();
        try (var marks = lane.begin()) {
            joined.broadcast(
                    ring.buffer().address(), TRIAL_BYTES, root, lane.stream().handle());
            marks.end();
            await(joined, marks.ended(), "the first broadcast");
        }
    }

    private int root(Group joined, Bucket bucket) {
        return joined.rank(plan.owners().get(bucket.owner()).worker());
    }

    private Outgoing out() {
        var known = outgoing;
        if (known == null) {
            throw new IllegalStateException("this worker owns no buckets");
        }
        return known;
    }

    private Ingoing in() {
        var known = ingoing;
        if (known == null) {
            throw new IllegalStateException("no bucket is of another worker");
        }
        return known;
    }

    /** First stage: puts every broadcast on the stream. */
    Void queue() throws InterruptedException {
        var ranks = lease.group();
        for (var bucket : plan.buckets()) {
            int root = root(ranks, bucket);
            flights.add(root == ranks.rank() ? send(ranks, bucket) : receive(ranks, bucket, root));
        }
        return null;
    }

    private Flight send(Group ranks, Bucket bucket) throws InterruptedException {
        var from = out();
        var at = from.board().awaitReady(bucket.index());
        var marks = lane.begin();
        try {
            broadcast(ranks, bucket, ranks.rank(), from.ring(), from.ring().offset(at.slot()) + at.offset());
            marks.end();
            return new Flight(bucket, true, marks, null);
        } catch (RuntimeException e) {
            marks.close();
            throw e;
        }
    }

    private Flight receive(Group ranks, Bucket bucket, int root) throws InterruptedException {
        var to = in();
        long offset = to.ring().offset(to.board().enter(bucket.index()));
        var marks = lane.begin();
        try {
            broadcast(ranks, bucket, root, to.ring(), offset);
            marks.end();
            return new Flight(
                    bucket,
                    false,
                    marks,
                    to.located() == null
                            ? null
                            : check.start(bucket, marks.ended(), to.ring().buffer(), offset));
        } catch (RuntimeException e) {
            marks.close();
            throw e;
        }
    }

    /** A bucket of empty tensors alone has nothing to send. */
    private void broadcast(Group ranks, Bucket bucket, int root, CudaSlotRing ring, long offset) {
        if (bucket.bytes() > 0) {
            ranks.broadcast(
                    ring.buffer().address() + offset,
                    bucket.bytes(),
                    root,
                    lane.stream().handle());
        }
    }

    /** Second stage: passes on what has come, and gives back what has gone. {@link #queue} bounds the wait for more. */
    Void finish() throws InterruptedException {
        var ranks = lease.group();
        for (int i = 0; i < plan.buckets().size(); i++) {
            try (var flight = flights.take()) {
                await(
                        ranks,
                        flight.marks().ended(),
                        "the broadcast of bucket " + flight.bucket().index());
                if (flight.own()) {
                    out().board().consumed(flight.bucket().index(), CONSUMER);
                } else {
                    landed(flight);
                }
            }
        }
        lease.done();
        return null;
    }

    private void landed(Flight flight) throws InterruptedException {
        var to = in();
        int bucket = flight.bucket().index();
        times.transferred(bucket, flight.marks().span());
        var checked = flight.checked();
        if (checked != null) {
            check(flight.bucket(), checked);
        }
        var located = to.located();
        to.board().landed(bucket, located == null ? (index, at, release) -> release.run() : located);
    }

    private void check(Bucket bucket, CudaBlockCheck.Started checked) throws InterruptedException {
        try {
            checked.await(patience);
        } catch (CorruptBlockException e) {
            throw damaged.landed(bucket, e);
        }
    }

    /** A kernel that an abort ended looks done as well: what was received counts only if the communicator is sound. */
    private void await(Group ranks, CudaEvent end, String what) throws InterruptedException {
        long begin = System.nanoTime();
        for (int polls = 1; !end.isDone(); polls++) {
            if (Thread.interrupted()) {
                throw new InterruptedException("interrupted while waiting for " + what);
            }
            if (System.nanoTime() - begin > patience.toNanos()) {
                throw new UpdateException(
                        what + " was not done within " + patience.toMillis() + " ms: a member does not take part",
                        null);
            }
            if (polls % POLLS_PER_CHECK == 0) {
                ranks.check();
            }
            LockSupport.parkNanos(PARK_NANOS);
        }
        ranks.check();
    }

    /** Aborts the communicator, which ends every wait for it. Does not block. Does nothing once this is closed. */
    void cancel() {
        lease.cancel();
    }

    /** As {@link #cancel}, unless all broadcasts are done and the communicator serves the next update as well. */
    void cancelUnlessDone() {
        lease.cancelUnlessDone();
    }

    /**
     * Keeps the communicator for the next update if this one's broadcasts are all done, otherwise aborts it. No stage
     * may be running any more. Returns when the GPU is done with the slots, or has been waited for long enough.
     */
    @Override
    public void close() {
        boolean used = lease.end();
        flights.forEach(Flight::close);
        flights.clear();
        if (used && !isDrained()) {
            LOG.error("broadcasts on {} do not end; their slots are not used again", lane.stream());
            stuck.run();
        }
    }

    private boolean isDrained() {
        long begin = System.nanoTime();
        try (var marks = lane.begin()) {
            marks.end();
            while (!marks.ended().isDone()) {
                if (System.nanoTime() - begin > DRAIN.toNanos()) {
                    return false;
                }
                LockSupport.parkNanos(PARK_NANOS);
            }
            return true;
        } catch (CudaException e) {
            LOG.error("the GPU failed", e);
            return false;
        }
    }
}
