package dev.inflight.worker.update;

import dev.inflight.protocol.cluster.Exchange;
import dev.inflight.protocol.cluster.Strategy;
import dev.inflight.protocol.cluster.WorkerCommand.Prepare;
import dev.inflight.protocol.cluster.WorkerEvent;
import dev.inflight.protocol.cluster.WorkerEvent.StageReport;
import dev.inflight.protocol.link.NeededBytes;
import dev.inflight.protocol.link.WorkerMessage;
import dev.inflight.protocol.plan.Bucket;
import dev.inflight.protocol.plan.Membership;
import dev.inflight.protocol.plan.UpdatePlan;
import dev.inflight.worker.aeron.Cast;
import dev.inflight.worker.device.CudaDevice;
import dev.inflight.worker.device.HostDevice;
import dev.inflight.worker.link.EngineSession;
import dev.inflight.worker.nccl.Communicators;
import dev.inflight.worker.nccl.Group;
import dev.inflight.worker.store.Need;
import dev.inflight.worker.store.Replica;
import dev.inflight.worker.store.StoredCheckpoint;
import dev.inflight.worker.transport.PeerException;
import dev.inflight.worker.transport.TransferKey;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Future;
import java.util.function.BiConsumer;
import java.util.function.LongConsumer;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The slots, transfers and stages of one update on one worker. Stages overlap: while the engine reloads bucket i, the
 * next ones are fetched and the one after is copied from the host store.
 */
final class Streaming implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Streaming.class);

    /** What must be given back; once it is closed, whatever is taken afterwards is given back at once. */
    private final Closer closer = new Closer();

    private final UpdateContext context;
    private final Prepare order;
    private final Membership members;
    private final StoredCheckpoint checkpoint;
    private final UpdatePlan plan;
    private final NeededBytes needed;
    private final Map<String, List<Bucket>> buckets;
    private final @Nullable EngineSession engine;
    private final BiConsumer<String, @Nullable String> fail;
    private final LongConsumer progress;
    private final Duration patience;
    private final StageTimes times;
    private final Mending mending;
    private final DeviceStages device;
    private final CountDownLatch streaming = new CountDownLatch(1);
    private final EngineSlots slots = new EngineSlots();
    private final Receiving receiving;
    private @Nullable Own own;
    private volatile @Nullable Collective collective;
    private final List<Future<Void>> moving = new ArrayList<>();
    private Presence presence = Presence.ALWAYS;
    private final StallWaits waits;
    private final Arrivals arrivals;
    private final StageRunner runner;

    /**
     * This worker's own buckets and their turns.
     *
     * @param cast sends them to all workers elsewhere at once; null if they are asked for one by one
     */
    private record Own(
            OwnBuckets buckets, SlotBoard board, @Nullable Cast cast) {}

    /**
     * @param members who moves bytes to engines; in a join without the hosts that they come from
     * @param needed what the engine is told to load; all of the plan in a join
     * @param fail ends the session when a peer is lost, with the reason and whom to blame
     */
    Streaming(
            UpdateContext context,
            Prepare order,
            Membership members,
            StoredCheckpoint checkpoint,
            UpdatePlan plan,
            NeededBytes needed,
            @Nullable EngineSession engine,
            StageTimes times,
            BiConsumer<String, @Nullable String> fail,
            LongConsumer progress) {
        this.times = times;
        this.context = context;
        this.order = order;
        this.members = members;
        this.checkpoint = checkpoint;
        this.plan = plan;
        this.needed = needed;
        this.buckets = byOwner(plan);
        this.engine = engine;
        this.fail = fail;
        this.progress = progress;
        this.patience = Duration.ofMillis(order.stallTimeoutMs());
        this.mending = new Mending(context.store(), checkpoint, times);
        this.device = stages();
        this.waits = new StallWaits(patience);
        this.arrivals = waits.add(new Arrivals(plan.buckets().size()));
        this.runner = new StageRunner("inflight-update-" + order.epoch() + "-" + context.worker());
        this.receiving =
                new Receiving(context, order, checkpoint, plan, device, slots, arrivals, mending, times, closer, waits);
    }

    private DeviceStages stages() {
        return switch (context.device()) {
            case HostDevice host -> new HostStages(host, checkpoint, order.slots(), closer, mending, times);
            case CudaDevice gpu ->
                new CudaStages(gpu, checkpoint, order.slots(), closer, mending, times, this::peerBuckets);
        };
    }

    private OwnBuckets peerBuckets(String worker) throws PeerException {
        return context.hub().buckets(new TransferKey(order.epoch(), worker, context.worker()));
    }

    /**
     * Takes slots, offers own buckets to peers, and opens the transfers from peers or joins the members. The first own
     * buckets, as many as there are slots for, move meanwhile, so that they are there when the engine is.
     */
    void open() throws InterruptedException {
        var mine = bucketsOf(context.worker());
        if (order.strategy() == Strategy.P2P) {
            replicate(mine);
        }
        if (!mine.isEmpty()) {
            offer(mine, device.own(mine, presence));
        }
        if (order.exchange() == Exchange.NCCL) {
            joinMembers();
        } else if (engine != null) {
            receiving.open(runner, members, buckets);
        }
    }

    private void offer(List<Bucket> mine, OwnBuckets readable) throws InterruptedException {
        var board = waits.add(new SlotBoard(order.slots().count(), readable.firstRingSlot(), patience));
        var cast = casts() ? cast(board) : null;
        own = new Own(readable, board, cast);
        slots.announce(readable.memories());
        consumers().forEach(board::join);
        context.hub().serve(order.epoch(), context.worker(), board, readable, cast, this::consumerLost);
        closer.add(() -> context.hub().withdraw(order.epoch(), context.worker()));
        var stage = new H2dStage(
                mine,
                readable,
                board,
                order.slots().count(),
                presence,
                streaming,
                patience,
                bucket -> ownArrived(board, bucket));
        moving.add(runner.start(() -> move(stage::call)));
    }

    /** Whether own buckets are cast: some worker of another host receives them. */
    private boolean casts() {
        int here = members.workers().stream()
                .filter(member -> member.id().equals(context.worker()))
                .findFirst()
                .map(Membership.Worker::host)
                .orElseThrow();
        return order.exchange() == Exchange.AERON
                && members.workers().stream().anyMatch(member -> member.receives() && member.host() != here);
    }

    /** Null if it can not be had: receivers then ask for each bucket. */
    private @Nullable Cast cast(SlotBoard board) throws InterruptedException {
        try {
            var cast = context.peers().cast();
            closer.add(cast::close);
            board.join(CastStage.CONSUMER);
            return cast;
        } catch (UpdateException e) {
            LOG.warn("{} epoch {}: buckets are not cast: {}", context.worker(), order.epoch(), e.getMessage());
            return null;
        }
    }

    /** Begins to bring what this host misses, in the order in which its buckets need it. */
    private void replicate(List<Bucket> mine) {
        var need = Need.of(checkpoint, needed, mine);
        var replica = context.store().replicate(checkpoint, need);
        closer.add(replica::leave);
        closer.add(replica.onHeldUp(new Pacing(order, context.worker())::heldUp));
        presence = new Replicated(
                checkpoint,
                replica,
                replica.coming(),
                patience.plus(context.joins().partTimeout()));
        var membership = order.membership();
        var replication = new Replication(
                checkpoint,
                replica,
                need,
                membership.hosts().get(membership.workers().getFirst().host()),
                membership.hosts(),
                context.joins(),
                context.peers().timeout(),
                order.limits(),
                times,
                () -> progress.accept(times.loadedBytes.sum()));
        moving.add(runner.start(() -> move(replication::call)));
    }

    /**
     * @param incomplete shards that were incomplete when this update began; those that others had completed before may
     *     have been damaged since
     * @param patience longest time in which nothing comes: a stalled source is given up before that
     */
    private record Replicated(StoredCheckpoint checkpoint, Replica replica, Set<Integer> incomplete, Duration patience)
            implements Presence {
        @Override
        public boolean isHere(Bucket bucket) {
            return replica.isHere(bucket);
        }

        @Override
        public boolean isChecked(Bucket bucket) {
            return checkpoint.isOf(bucket, incomplete);
        }

        @Override
        public void await(Bucket bucket) throws InterruptedException {
            replica.await(bucket, patience);
        }
    }

    private interface Stage {
        Void call() throws InterruptedException;
    }

    /** Nobody may be waiting for the stage yet when it fails: the session is told at once. */
    private Void move(Stage stage) throws InterruptedException {
        try {
            return stage.call();
        } catch (UpdateException e) {
            fail.accept(String.valueOf(e.getMessage()), e.suspect());
            throw e;
        } catch (RuntimeException e) {
            fail.accept(e.getMessage() == null ? e.toString() : e.getMessage(), null);
            throw e;
        }
    }

    /** Who takes this worker's buckets: every receiver, itself by a name of its own; by NCCL all others at once. */
    private List<String> consumers() {
        if (order.exchange() == Exchange.NCCL) {
            return engine == null ? List.of(Collective.CONSUMER) : List.of(UpdateSession.SELF, Collective.CONSUMER);
        }
        return members.workers().stream()
                .filter(Membership.Worker::receives)
                .map(member -> member.id().equals(context.worker()) ? UpdateSession.SELF : member.id())
                .toList();
    }

    private void joinMembers() throws InterruptedException {
        var others = plan.buckets().stream()
                .filter(bucket -> !plan.owners().get(bucket.owner()).worker().equals(context.worker()))
                .toList();
        // Taken first, so that it is given back last.
        var into = others.isEmpty() ? null : receiving.landings();
        var broadcasts = device.collective(plan, context.communicators(), patience);
        collective = broadcasts;
        var mine = own;
        if (mine != null) {
            broadcasts.sendFrom(mine.board(), mine.buckets());
        }
        if (into != null) {
            into.board().expect(others, plan.buckets().size());
            broadcasts.receiveInto(into.board(), engine == null ? null : receiving.located(into.firstSlot()));
        }
        Callable<Void> join = () -> {
            broadcasts.join(this::group);
            return null;
        };
        runner.all(List.of(join));
    }

    /** Ranks are the members in their order; they meet at the host of the first. */
    private Group group(Communicators communicators) throws InterruptedException {
        var members =
                order.membership().workers().stream().map(Membership.Worker::id).toList();
        var place = Endpoints.of(order.membership()).of(members.getFirst());
        return communicators.join(
                order.epoch(),
                members,
                context.worker(),
                arrival -> context.peers().meet(place, arrival));
    }

    /**
     * Whose buckets others wait for can not be done without, unless they can be had elsewhere. Any other consumer may be:
     * the coordinator decides, and until then its buckets stay, for no longer than the board's patience.
     */
    private void consumerLost(String consumer, String reason) {
        var mine = own;
        if (!order.repairs() && !bucketsOf(consumer).isEmpty()) {
            fail.accept("consumer " + consumer + " was lost: " + reason, consumer);
        } else if (mine == null || mine.board().isConsumer(consumer)) {
            order.replyTo().tell(new WorkerEvent.ConsumerLost(context.worker(), order.epoch(), consumer, reason));
        }
    }

    /** Waits for a consumer no longer. Does not block. */
    void drop(String consumer) {
        var mine = own;
        if (mine != null) {
            mine.board().leave(consumer);
        }
    }

    /** Takes nothing more from lost owners. While nobody holds what they owned, no wait ends for that. Does not block. */
    void repair(List<String> owners, List<Membership.Host> hosts) {
        waits.holdUp(hosts.isEmpty());
        receiving.repair(owners, hosts);
    }

    /** See {@link StallWaits#holdOn}. */
    void holdOn() {
        waits.holdOn();
    }

    private List<Bucket> bucketsOf(String worker) {
        return buckets.getOrDefault(worker, List.of());
    }

    private static Map<String, List<Bucket>> byOwner(UpdatePlan plan) {
        return plan.buckets().stream()
                .collect(Collectors.groupingBy(
                        bucket -> plan.owners().get(bucket.owner()).worker()));
    }

    /** What the engine is told first. */
    WorkerMessage.Begin begin() {
        var target = order.checkpoint();
        return new WorkerMessage.Begin(
                order.epoch(),
                target.model(),
                target.version(),
                target.digest(),
                order.mode(),
                needed.tensors(),
                needed.heldBytes(),
                slots.all());
    }

    /** Runs all stages to their end, after which the engine has everything; the first failure ends the others. */
    StageReport run() throws InterruptedException {
        long start = System.nanoTime();
        streaming.countDown();
        var stages = new ArrayList<Callable<Void>>();
        moving.forEach(started -> stages.add(() -> StageRunner.await(started)));
        var broadcasts = collective;
        if (broadcasts == null) {
            receiving.expectLandings();
        } else {
            stages.add(broadcasts::queue);
            stages.add(broadcasts::finish);
        }
        var mine = own;
        if (mine != null && mine.cast() != null) {
            stages.add(new CastStage(mine.cast(), bucketsOf(context.worker()), mine.buckets(), mine.board(), patience));
        }
        stages.addAll(receiving.stages());
        if (engine != null) {
            stages.add(new ReloadStage(
                    engine,
                    order.epoch(),
                    checkpoint.layout(),
                    plan.buckets(),
                    needed,
                    presence,
                    arrivals,
                    receiving.repairs(),
                    patience,
                    context.engineTimeout(),
                    times,
                    progress));
        }
        runner.all(stages);
        return times.report(System.nanoTime() - start);
    }

    private void ownArrived(SlotBoard board, int bucket) {
        if (engine != null) {
            // The slot can not change hands before this worker's own engine has consumed the bucket.
            arrivals.arrived(bucket, board.at(bucket), 0, () -> board.consumed(bucket, UpdateSession.SELF));
        }
    }

    /** Ends every wait of a running stage. Does not block. */
    void cancel(String reason) {
        var mine = own;
        if (mine != null) {
            mine.board().fail(reason);
        }
        receiving.fail(reason);
        var broadcasts = collective;
        if (broadcasts != null) {
            broadcasts.cancel();
        }
        runner.cancel();
    }

    /** Ends the stages, waits until none runs, and gives everything back. Closing again does nothing. */
    @Override
    public void close() {
        var broadcasts = collective;
        if (broadcasts != null) {
            // A stage may wait in NCCL.
            broadcasts.cancelUnlessDone();
        }
        runner.close();
        closer.close();
    }
}
