package dev.inflight.worker.update;

import dev.inflight.protocol.cluster.Standby;
import dev.inflight.protocol.cluster.Strategy;
import dev.inflight.protocol.cluster.WorkerCommand.Prepare;
import dev.inflight.protocol.cluster.WorkerEvent.StageReport;
import dev.inflight.protocol.link.EngineMessage;
import dev.inflight.protocol.link.WorkerMessage;
import dev.inflight.protocol.log.UpdateFields;
import dev.inflight.protocol.plan.Membership;
import dev.inflight.protocol.plan.Owner;
import dev.inflight.protocol.plan.Ownership;
import dev.inflight.protocol.plan.ShardRange;
import dev.inflight.worker.link.EngineSession;
import dev.inflight.worker.store.StoredCheckpoint;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.LongConsumer;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * One update on one worker. The steps block and are called in order, one at a time, from any thread but an actor's;
 * {@link #fail} may be called at any time and makes a running step end with that reason.
 */
public final class UpdateSession implements AutoCloseable {
    /** Name of the worker itself among the consumers of its own slots. */
    static final String SELF = "this worker";

    private enum State {
        CREATED,
        PREPARED,
        BEGUN,
        STREAMED,
        COMMITTED
    }

    /** What became of the engine when an update was aborted. */
    public sealed interface AbortOutcome {
        /** The update had not reached an engine. */
        record Untouched() implements AbortOutcome {}

        /** The engine said what it is now. */
        record Answered(EngineMessage.Aborted answer) implements AbortOutcome {}

        /** The engine did not answer and was disconnected; its next hello tells. */
        record Lost() implements AbortOutcome {}
    }

    private final UpdateContext context;
    private final Prepare order;
    private final @Nullable EngineSession engine;
    private final LongConsumer progress;
    private final StageTimes times;
    private final AtomicBoolean closed = new AtomicBoolean();
    private final AtomicReference<@Nullable StoredCheckpoint> used = new AtomicReference<>();
    private State state = State.CREATED;
    private boolean engineBegun;
    private volatile @Nullable Standby standby;
    private volatile @Nullable Streaming streaming;
    private volatile @Nullable UpdateException failure;

    /**
     * @param engine the engine that takes the update, null if this worker only sends
     * @param progress told of the bytes loaded so far; must not block
     */
    public UpdateSession(UpdateContext context, Prepare order, @Nullable EngineSession engine, LongConsumer progress) {
        this.context = context;
        this.order = order;
        this.engine = engine;
        this.progress = progress;
        this.times = new StageTimes(context.store().damage());
    }

    public long epoch() {
        return order.epoch();
    }

    /** The worker that takes part. */
    public String worker() {
        return context.worker();
    }

    /** Marks what this thread logs with this update, until it is closed. */
    public UpdateFields fields() {
        return UpdateFields.of(order.updateId(), order.epoch());
    }

    /** The engine that takes this update, if any. */
    public @Nullable EngineSession engine() {
        return engine;
    }

    /**
     * Computes the plan, takes slots, opens transfers and starts to move the first buckets.
     *
     * @return the plan's digest
     * @throws UpdateException if this worker can not take part; nothing was changed
     */
    public String prepare() throws InterruptedException {
        enter(State.CREATED, State.PREPARED);
        return phase("prepare", this::open);
    }

    private String open() throws InterruptedException {
        if (StandbySwap.isWanted(order)) {
            return StandbySwap.agreement(order);
        }
        var checkpoint = phase("manifest", () -> context.store().adopt(order.checkpoint(), knowing()));
        use(checkpoint);
        checkpoint.alsoHeldBy(order.membership().hosts());
        var needed = Needs.of(engine, checkpoint.layout());
        var members = members();
        var planned = phase("plan", () -> plan(checkpoint, members));
        // Nobody but the engine takes what is brought in a join.
        var plan = order.strategy() == Strategy.P2P ? needed.of(planned.plan()) : planned.plan();
        var prepared =
                new Streaming(context, order, members, checkpoint, plan, needed, engine, times, this::fail, progress);
        streaming = prepared;
        throwIfFailed();
        phase(
                "open",
                () -> orFailure(() -> {
                    prepared.open();
                    return prepared;
                }));
        return planned.digest();
    }

    /** Its shards are not freed before the session is closed. */
    private void use(StoredCheckpoint checkpoint) {
        if (!checkpoint.use()) {
            throw new UpdateException("the shards of " + checkpoint.key() + " are being freed; try again", null);
        }
        used.set(checkpoint);
        // Closed meanwhile by an abort: nobody else will end it.
        if (closed.get()) {
            endUse();
        }
    }

    private void endUse() {
        var checkpoint = used.getAndSet(null);
        if (checkpoint != null) {
            checkpoint.endUse();
        }
    }

    private Plans.Planned plan(StoredCheckpoint checkpoint, Membership members) {
        var owners = switch (order.strategy()) {
            case BROADCAST, STANDBY -> Ownership.assign(order.checkpoint().shardCount(), members);
            case P2P -> shardByShard();
        };
        return context.plans()
                .of(
                        checkpoint.layout(),
                        checkpoint.sharding(),
                        owners,
                        order.slots().bytes());
    }

    /** No bucket of a join is of two shards: it then lies in the shard's memory as in a slot and is not copied there. */
    private List<Owner> shardByShard() {
        return IntStream.range(0, order.checkpoint().shardCount())
                .mapToObj(shard -> new Owner(context.worker(), List.of(shard)))
                .toList();
    }

    /** Peer servers of hosts that know the checkpoint. */
    private List<String> knowing() {
        return switch (order.strategy()) {
            case BROADCAST, STANDBY -> context.peers().holders(order.membership());
            case P2P -> context.peers().sources(order.membership());
        };
    }

    /** Who moves bytes to engines. In a join that is this worker alone, whose host comes to hold everything. */
    private Membership members() {
        var all = order.membership();
        return switch (order.strategy()) {
            case BROADCAST, STANDBY -> all;
            case P2P -> {
                var only = all.workers().size() == 1 ? all.workers().getFirst() : null;
                if (only == null || !only.id().equals(context.worker())) {
                    throw new UpdateException(
                            "a join has this worker as its only member, but this one has " + all.workers(), null);
                }
                var host = all.hosts().get(only.host());
                var everything = List.of(new ShardRange(0, order.checkpoint().shardCount() - 1));
                yield new Membership(
                        List.of(new Membership.Host(host.name(), host.endpoint(), everything)),
                        List.of(new Membership.Worker(only.id(), 0, only.receives())));
            }
        };
    }

    /**
     * Introduces the update to the engine, which pauses first if it loads in place. All members must be prepared.
     *
     * @throws UpdateException if the engine refuses or does not answer; it then needs an {@link #abort}
     */
    public void begin() throws InterruptedException {
        enter(State.PREPARED, State.BEGUN);
        throwIfFailed();
        var peer = engine;
        if (peer != null) {
            phase("begin", () -> EngineAnswers.await("begin", peer, sendBegin(peer), context.engineTimeout()));
        }
        throwIfFailed();
    }

    /** An abort that comes before this finds an untouched engine; one that comes later finds {@code begin} sent. */
    private synchronized CompletableFuture<EngineMessage.Begun> sendBegin(EngineSession peer) {
        throwIfFailed();
        engineBegun = true;
        return peer.begin(
                StandbySwap.isWanted(order)
                        ? StandbySwap.begin(order)
                        : prepared().begin());
    }

    /**
     * Moves every bucket into the engine; on return they are all loaded and verified.
     *
     * @throws UpdateException naming the cause; the engine then needs an {@link #abort}
     */
    public StageReport stream() throws InterruptedException {
        enter(State.BEGUN, State.STREAMED);
        throwIfFailed();
        var report = phase("stream", () -> orFailure(this::run));
        throwIfFailed();
        return report;
    }

    private StageReport run() throws InterruptedException {
        var peer = engine;
        return peer != null && StandbySwap.isWanted(order)
                ? StandbySwap.end(order, peer, context.engineTimeout())
                : prepared().run();
    }

    /**
     * Makes the staged weights live.
     *
     * @return the time the engine could not serve, microseconds; 0 without an engine
     * @throws UpdateException if the engine did not confirm; it may or may not have committed
     */
    public long commit() throws InterruptedException {
        enter(State.STREAMED, State.COMMITTED);
        var peer = engine;
        if (peer == null) {
            return 0;
        }
        var commit = new WorkerMessage.Commit(epoch(), order.checkpoint().version());
        var done = phase(
                "commit", () -> EngineAnswers.await("commit", peer, peer.commit(commit), context.engineTimeout()));
        standby = done.standby();
        return done.stallMicros();
    }

    /** What stands by in the engine since the commit. */
    public @Nullable Standby standby() {
        return standby;
    }

    /** Ends the update without its weights, and closes the session. */
    public AbortOutcome abort(String reason) throws InterruptedException {
        fail(reason, null);
        try {
            var peer = engine;
            if (peer == null || !hasBegun()) {
                return new AbortOutcome.Untouched();
            }
            return abort(peer, reason);
        } finally {
            close();
        }
    }

    private AbortOutcome abort(EngineSession peer, String reason) throws InterruptedException {
        try {
            var abort = new WorkerMessage.Abort(epoch(), reason);
            return new AbortOutcome.Answered(
                    EngineAnswers.await("abort", peer, peer.abort(abort), context.abortTimeout()));
        } catch (UpdateException e) {
            // An engine that does not answer may still be reading slots: only its disconnection makes them free.
            peer.close();
            return new AbortOutcome.Lost();
        }
    }

    private synchronized boolean hasBegun() {
        return engineBegun;
    }

    /** Makes the running step, or the next, end with this reason. The first reason stays. Does not block. */
    public void fail(String reason, @Nullable String suspect) {
        synchronized (this) {
            if (failure == null) {
                failure = new UpdateException(reason, suspect);
            }
        }
        var stages = streaming;
        if (stages != null) {
            stages.cancel(reason);
        }
    }

    /** The update goes on without a worker that takes this one's buckets. Does not block. */
    public void drop(String consumer) {
        var stages = streaming;
        if (stages != null) {
            stages.drop(consumer);
        }
    }

    /**
     * The update goes on without owners that were lost. Does not block.
     *
     * @param owners all that were lost so far
     * @param hosts who holds what they owned; empty while some of it is nowhere
     */
    public void repair(List<String> owners, List<Membership.Host> hosts) {
        var stages = streaming;
        if (stages != null) {
            stages.repair(owners, hosts);
        }
    }

    /** A member waits for its turn under a limit: that nothing moves is no stall now. Does not block. */
    public void holdOn() {
        var stages = streaming;
        if (stages != null) {
            stages.holdOn();
        }
    }

    private interface Step<T> {
        T run() throws InterruptedException;
    }

    private <T> T phase(String name, Step<T> step) throws InterruptedException {
        long begin = System.nanoTime();
        try {
            return step.run();
        } finally {
            times.timeline().phase(name, new Timeline.Span(begin, System.nanoTime()));
        }
    }

    /** A failure given from outside is the cause of what the step then says. */
    private <T> T orFailure(Step<T> step) throws InterruptedException {
        try {
            return step.run();
        } catch (RuntimeException e) {
            throwIfFailed();
            throw e;
        }
    }

    private void throwIfFailed() {
        var reason = failure;
        if (reason != null) {
            throw reason;
        }
    }

    private Streaming prepared() {
        var stages = streaming;
        if (stages == null) {
            throw new IllegalStateException("epoch " + epoch() + " was not prepared");
        }
        return stages;
    }

    private void enter(State expected, State next) {
        if (state != expected) {
            throw new IllegalStateException("epoch " + epoch() + " is " + state + ", not " + expected);
        }
        state = next;
    }

    /** Gives slots and transfers back, and writes the trace. Closing again does nothing. */
    @Override
    public void close() {
        var stages = streaming;
        if (stages != null) {
            stages.close();
        }
        if (closed.compareAndSet(false, true)) {
            endUse();
            context.traces().write(epoch(), context.worker(), times.timeline());
        }
    }
}
