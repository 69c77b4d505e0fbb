package dev.inflight.worker.update;

import dev.inflight.protocol.cluster.Exchange;
import dev.inflight.protocol.cluster.WorkerCommand.Prepare;
import dev.inflight.protocol.cluster.WorkerEvent;
import dev.inflight.protocol.plan.Bucket;
import dev.inflight.protocol.plan.Membership;
import dev.inflight.protocol.plan.UpdatePlan;
import dev.inflight.worker.store.StoredCheckpoint;
import dev.inflight.worker.transport.BucketTransfer;
import dev.inflight.worker.transport.TransferKey;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What one update's engine takes from other owners: the transfers, the slots that buckets land in, and repairs. */
final class Receiving {
    private static final Logger LOG = LoggerFactory.getLogger(Receiving.class);

    private final UpdateContext context;
    private final Prepare order;
    private final StoredCheckpoint checkpoint;
    private final UpdatePlan plan;
    private final DeviceStages device;
    private final EngineSlots slots;
    private final Arrivals arrivals;
    private final Mending mending;
    private final StageTimes times;
    private final Closer closer;
    private final Duration patience;
    private final LostOwners lostOwners;
    private final Pacing pacing;
    private final StallWaits waits;
    private final List<Source> sources = new ArrayList<>();
    private @Nullable Landings landing;
    private @Nullable Landings spare;

    /** Landing slots and the engine's number of the first. */
    record Landings(LandingBoard board, int firstSlot) {}

    /**
     * A remote owner.
     *
     * @param firstSlot the engine's number of the first slot its buckets lie in
     * @param lands whether they are moved to landing slots
     */
    private record Source(RemoteOwner owner, int firstSlot, boolean lands) {}

    Receiving(
            UpdateContext context,
            Prepare order,
            StoredCheckpoint checkpoint,
            UpdatePlan plan,
            DeviceStages device,
            EngineSlots slots,
            Arrivals arrivals,
            Mending mending,
            StageTimes times,
            Closer closer,
            StallWaits waits) {
        this.waits = waits;
        this.context = context;
        this.order = order;
        this.checkpoint = checkpoint;
        this.plan = plan;
        this.device = device;
        this.slots = slots;
        this.arrivals = arrivals;
        this.mending = mending;
        this.times = times;
        this.closer = closer;
        this.patience = Duration.ofMillis(order.stallTimeoutMs());
        this.lostOwners = new LostOwners(patience);
        this.pacing = new Pacing(order, context.worker());
    }

    /**
     * Opens a transfer from every other owner.
     *
     * @param buckets those of each owner, by worker
     */
    void open(StageRunner runner, Membership members, Map<String, List<Bucket>> buckets) throws InterruptedException {
        var remote = plan.owners().stream()
                .filter(owner -> !owner.worker().equals(context.worker()) && buckets.containsKey(owner.worker()))
                .toList();
        var endpoints = Endpoints.of(members);
        var opening = new ArrayList<Callable<BucketTransfer>>();
        for (var owner : remote) {
            var key = new TransferKey(order.epoch(), owner.worker(), context.worker());
            opening.add(() -> opened(context.peers()
                    .open(endpoints.of(owner.worker()), key, order.exchange() == Exchange.AERON, pacing.pace())));
        }
        var transfers = runner.all(opening);
        for (int i = 0; i < remote.size(); i++) {
            var owner = remote.get(i).worker();
            addSource(owner, buckets.getOrDefault(owner, List.of()), transfers.get(i));
        }
    }

    private BucketTransfer opened(BucketTransfer transfer) {
        closer.add(transfer::close);
        return transfer;
    }

    private void addSource(String owner, List<Bucket> buckets, BucketTransfer transfer) {
        var remote = new RemoteOwner(owner, buckets, transfer, order.repairs());
        if (remote.mapped() && device.engineReadsPeers()) {
            if (order.repairs()) {
                spare();
            }
            sources.add(new Source(remote, slots.announce(HostOwnBuckets.memories(remote.slots())), false));
        } else {
            sources.add(new Source(remote, landings().firstSlot(), true));
        }
    }

    /** One ring for all owners. */
    Landings landings() {
        var known = landing;
        if (known == null) {
            known = landings(order.slots().count());
            landing = known;
        }
        return known;
    }

    /**
     * One slot for what is missing of lost owners whose slots the engine reads: it maps slots only when an update begins.
     */
    private Landings spare() {
        var known = spare;
        if (known == null) {
            known = landings(1);
            spare = known;
        }
        return known;
    }

    private Landings landings(int count) {
        var taken = device.landing(count);
        var ring = taken.ring();
        int first = slots.announce(
                IntStream.range(0, ring.count()).mapToObj(ring::memory).toList());
        return new Landings(waits.add(new LandingBoard(taken, patience)), first);
    }

    /** Says which buckets will land, before the first does. */
    void expectLandings() {
        if (landing != null) {
            landing.board()
                    .expect(
                            sources.stream()
                                    .filter(Source::lands)
                                    .flatMap(source -> source.owner().buckets().stream())
                                    .sorted(Comparator.comparingInt(Bucket::index))
                                    .toList(),
                            plan.buckets().size());
        }
    }

    /** One for each owner that is there. */
    List<FetchStage> stages() {
        var stages = new ArrayList<FetchStage>();
        for (var source : sources) {
            try {
                stages.add(new FetchStage(source.owner(), incoming(source), this::lost));
            } catch (UpdateException e) {
                if (!source.owner().isMissed(e)) {
                    throw e;
                }
                lost(source.owner(), source.owner().buckets(), e);
            }
        }
        return stages;
    }

    private Incoming incoming(Source source) {
        var located = located(source.firstSlot());
        if (!source.lands()) {
            return new MappedIncoming(source.owner(), located);
        }
        var board = landings().board();
        var owner = source.owner();
        var damaged = new DamagedArrival(owner, checkpoint, times.damage);
        return owner.mapped()
                ? device.copied(owner, damaged, board, located)
                : new SocketIncoming(owner, checkpoint, damaged, board, located, times);
    }

    Incoming.Located located(int firstSlot) {
        return (bucket, at, release) -> arrivals.arrived(bucket, at, firstSlot, release);
    }

    /** Takes nothing more from lost owners. Does not block. */
    void repair(List<String> owners, List<Membership.Host> hosts) {
        lostOwners.tell(owners, hosts);
        for (var source : sources) {
            if (owners.contains(source.owner().worker())) {
                Thread.ofVirtual().name("inflight-lost-owner").start(source.owner()::leave);
            }
        }
    }

    /** Ends every wait for a landing slot. Does not block. */
    void fail(String reason) {
        boards().forEach(board -> board.fail(reason));
    }

    private List<LandingBoard> boards() {
        return Stream.of(landing, spare)
                .filter(Objects::nonNull)
                .map(Landings::board)
                .toList();
    }

    private void lost(RemoteOwner owner, List<Bucket> missing, UpdateException why) {
        LOG.info(
                "epoch {}: {} buckets of owner {} did not come: {}",
                order.epoch(),
                missing.size(),
                owner.worker(),
                why.getMessage());
        var reason = String.valueOf(why.getMessage());
        lostOwners.missed(owner.worker(), reason);
        missing.forEach(bucket -> arrivals.lost(bucket.index()));
        if (!owner.mapped() || !device.engineReadsPeers()) {
            // Otherwise the engine may be reading in its slots, which it must not be told to use again.
            order.replyTo().tell(new WorkerEvent.OwnerLost(context.worker(), order.epoch(), owner.worker(), reason));
        }
    }

    /** What brings buckets of lost owners. */
    Repairs repairs() {
        var bytes = new StoreBytes(checkpoint, context.joins(), context.peers().timeout(), pacing.pace());
        return new Repairs(lostOwners, bytes, checkpoint, this::placeOfMissing, mending, times);
    }

    /** A bucket that would have landed keeps its turn. */
    private Repairs.Place placeOfMissing(Bucket bucket) {
        var owner = plan.owners().get(bucket.owner()).worker();
        boolean lands = sources.stream()
                .anyMatch(source -> source.lands() && source.owner().worker().equals(owner));
        var place = lands ? landings() : spare();
        return new Repairs.Place(owner, place.board(), place.firstSlot());
    }
}
