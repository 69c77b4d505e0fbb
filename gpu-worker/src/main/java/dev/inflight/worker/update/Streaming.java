package dev.inflight.worker.update;

import dev.inflight.protocol.cluster.WorkerCommand.Prepare;
import dev.inflight.protocol.cluster.WorkerEvent.StageReport;
import dev.inflight.protocol.link.SlotMemory;
import dev.inflight.protocol.link.SlotRef;
import dev.inflight.protocol.link.WorkerMessage;
import dev.inflight.protocol.plan.Bucket;
import dev.inflight.protocol.plan.Membership;
import dev.inflight.protocol.plan.Owner;
import dev.inflight.protocol.plan.UpdatePlan;
import dev.inflight.worker.device.SlotRing;
import dev.inflight.worker.link.EngineSession;
import dev.inflight.worker.store.StoredCheckpoint;
import dev.inflight.worker.transport.PeerTransfer;
import dev.inflight.worker.transport.SlotInfo;
import dev.inflight.worker.transport.TransferKey;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.BiConsumer;
import java.util.function.LongConsumer;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The slots, transfers and stages of one update on one worker. Stages overlap: while the engine reloads bucket i, the
 * next ones are fetched and the one after is copied from the host store.
 */
final class Streaming implements AutoCloseable {
    /** What must be given back; once it is closed, whatever is taken afterwards is given back at once. */
    private final Closer closer = new Closer();

    private final UpdateContext context;
    private final Prepare order;
    private final StoredCheckpoint checkpoint;
    private final UpdatePlan plan;
    private final Map<String, List<Bucket>> buckets;
    private final @Nullable EngineSession engine;
    private final BiConsumer<String, @Nullable String> fail;
    private final LongConsumer progress;
    private final Duration patience;
    private final StageTimes times = new StageTimes();
    private final List<SlotRef> slots = new ArrayList<>();
    private final List<Source> sources = new ArrayList<>();
    private @Nullable SlotBoard own;
    private @Nullable OwnBuckets places;
    private @Nullable SlotBoard landing;
    private int landingFirst;
    private final StageRunner runner;

    /** A remote owner: its transfer and the engine's number of the first slot its buckets lie in. */
    private record Source(String owner, PeerTransfer transfer, List<Bucket> buckets, int firstSlot) {}

    /** @param fail ends the session when a peer is lost, with the reason and whom to blame */
    Streaming(
            UpdateContext context,
            Prepare order,
            StoredCheckpoint checkpoint,
            UpdatePlan plan,
            @Nullable EngineSession engine,
            BiConsumer<String, @Nullable String> fail,
            LongConsumer progress) {
        this.context = context;
        this.order = order;
        this.checkpoint = checkpoint;
        this.plan = plan;
        this.buckets = byOwner(plan);
        this.engine = engine;
        this.fail = fail;
        this.progress = progress;
        this.patience = Duration.ofMillis(order.stallTimeoutMs());
        this.runner = new StageRunner("inflight-update-" + order.epoch() + "-" + context.worker());
    }

    /** Takes slots, offers own buckets to peers, then opens the transfers from peers. */
    void open() throws InterruptedException {
        if (!bucketsOf(context.worker()).isEmpty()) {
            var ring = takeRing();
            var board = new SlotBoard(ring, patience);
            var readable = new OwnBuckets(bucketsOf(context.worker()), checkpoint, ring);
            own = board;
            places = readable;
            announce(readable.slots());
            if (engine != null) {
                board.join(UpdateSession.SELF);
            }
            context.hub().serve(order.epoch(), context.worker(), board, readable.slots(), this::consumerLost);
            closer.add(() -> context.hub().withdraw(order.epoch(), context.worker()));
        }
        if (engine != null) {
            openTransfers();
        }
    }

    private SlotRing takeRing() {
        var ring = context.device().slots(order.slots().count(), plan.slotBytes());
        closer.add(ring::close);
        return ring;
    }

    /** Numbers slots for the engine; returns the number of the first. */
    private int announce(List<SlotInfo> more) {
        int first = slots.size();
        for (var slot : more) {
            slots.add(new SlotRef(slots.size(), SlotMemory.shm(slot.path(), slot.offset(), slot.bytes())));
        }
        return first;
    }

    private void openTransfers() throws InterruptedException {
        var remote = plan.owners().stream()
                .filter(owner -> !owner.worker().equals(context.worker())
                        && !bucketsOf(owner.worker()).isEmpty())
                .toList();
        var endpoints = endpoints(order.membership());
        var opening = new ArrayList<Callable<PeerTransfer>>();
        for (var owner : remote) {
            var key = new TransferKey(order.epoch(), owner.worker(), context.worker());
            opening.add(() -> opened(context.peers().open(endpoint(endpoints, owner.worker()), key)));
        }
        var transfers = runner.all(opening);
        for (int i = 0; i < remote.size(); i++) {
            addSource(remote.get(i), transfers.get(i));
        }
    }

    private PeerTransfer opened(PeerTransfer transfer) {
        closer.add(transfer::close);
        return transfer;
    }

    private void addSource(Owner owner, PeerTransfer transfer) {
        int first;
        if (transfer.mapped()) {
            first = announce(transfer.slots());
        } else {
            first = landingSlots();
        }
        sources.add(new Source(owner.worker(), transfer, bucketsOf(owner.worker()), first));
    }

    /** Landing slots are one ring for all owners; the engine's number of the first of them. */
    private int landingSlots() {
        if (landing == null) {
            var ring = takeRing();
            var board = new SlotBoard(ring, patience);
            board.join(UpdateSession.SELF);
            landing = board;
            landingFirst = announce(OwnBuckets.slotsOf(ring));
        }
        return landingFirst;
    }

    private void consumerLost(String consumer, String reason) {
        fail.accept("consumer " + consumer + " was lost: " + reason, consumer);
    }

    private List<Bucket> bucketsOf(String worker) {
        return buckets.getOrDefault(worker, List.of());
    }

    private static Map<String, List<Bucket>> byOwner(UpdatePlan plan) {
        return plan.buckets().stream()
                .collect(Collectors.groupingBy(
                        bucket -> plan.owners().get(bucket.owner()).worker()));
    }

    private static Map<String, String> endpoints(Membership membership) {
        return membership.workers().stream()
                .collect(Collectors.toMap(
                        Membership.Worker::id,
                        member -> membership.hosts().get(member.host()).endpoint()));
    }

    private static String endpoint(Map<String, String> endpoints, String worker) {
        var endpoint = endpoints.get(worker);
        if (endpoint == null) {
            throw new UpdateException("worker " + worker + " is not a member", worker);
        }
        return endpoint;
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
                target.tensors(),
                target.bytes(),
                slots);
    }

    /** Runs all stages to their end; the first failure ends the others. */
    StageReport run() throws InterruptedException {
        long start = System.nanoTime();
        var arrivals = new Arrivals(plan.buckets().size());
        var stages = new ArrayList<Callable<Void>>();
        var board = own;
        var readable = places;
        if (board != null && readable != null) {
            stages.add(new H2dStage(
                    context.device(),
                    checkpoint,
                    bucketsOf(context.worker()),
                    readable,
                    board,
                    times,
                    bucket -> ownArrived(board, arrivals, bucket)));
        }
        var turns = landingTurns();
        for (var source : sources) {
            stages.add(new FetchStage(
                    source.owner(),
                    source.transfer(),
                    source.buckets(),
                    checkpoint,
                    source.transfer().mapped() ? null : landing,
                    turns,
                    (bucket, at, release) ->
                            arrivals.arrived(bucket, source.firstSlot() + at.slot(), at.offset(), release),
                    times));
        }
        if (engine != null) {
            stages.add(new ReloadStage(
                    engine, order.epoch(), checkpoint.layout(), plan.buckets(), arrivals, patience, times, progress));
        }
        runner.all(stages);
        return times.report(System.nanoTime() - start);
    }

    private void ownArrived(SlotBoard board, Arrivals arrivals, int bucket) {
        if (engine != null) {
            // The slot can not change hands before this worker's own engine has consumed the bucket.
            var region = board.region(bucket);
            arrivals.arrived(bucket, region.slot(), region.offset(), () -> board.consumed(bucket, UpdateSession.SELF));
        }
    }

    private int[] landingTurns() {
        var landed = sources.stream()
                .filter(source -> !source.transfer().mapped())
                .flatMap(source -> source.buckets().stream())
                .mapToInt(Bucket::index)
                .sorted()
                .toArray();
        var turns = new int[plan.buckets().size()];
        for (int turn = 0; turn < landed.length; turn++) {
            turns[landed[turn]] = turn;
        }
        return turns;
    }

    /** Ends every wait of a running stage. Does not block. */
    void cancel(String reason) {
        var board = own;
        if (board != null) {
            board.fail(reason);
        }
        var landed = landing;
        if (landed != null) {
            landed.fail(reason);
        }
        runner.cancel();
    }

    /** Ends the stages, waits until none runs, and gives everything back. Closing again does nothing. */
    @Override
    public void close() {
        runner.close();
        closer.close();
    }
}
