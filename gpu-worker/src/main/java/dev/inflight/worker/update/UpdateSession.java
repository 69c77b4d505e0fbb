package dev.inflight.worker.update;

import dev.inflight.protocol.cluster.WorkerCommand.Prepare;
import dev.inflight.protocol.cluster.WorkerEvent.StageReport;
import dev.inflight.protocol.link.EngineMessage;
import dev.inflight.protocol.link.WorkerMessage;
import dev.inflight.protocol.plan.BucketPlanner;
import dev.inflight.protocol.plan.Ownership;
import dev.inflight.protocol.plan.PlanDigest;
import dev.inflight.worker.link.EngineSession;
import java.util.concurrent.CompletableFuture;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/**
 * One update on one worker. The steps block and are called in order, one at a time, from any thread but an actor's;
 * {@link #fail} may be called at any time and makes a running step end with that reason.
 */
public final class UpdateSession {
    /** Name of the worker itself among the consumers of its own slots. */
    static final String SELF = "this worker";

    private enum State {
        CREATED,
        PREPARED,
        STREAMING,
        STAGED,
        COMMITTED,
        CLOSED
    }

    private final UpdateContext context;
    private final Prepare order;
    private final @Nullable EngineSession engine;
    private final LongConsumer progress;
    private State state = State.CREATED;
    private volatile boolean engineBegun;
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
    }

    public long epoch() {
        return order.epoch();
    }

    /** The engine that takes this update, if any. */
    public @Nullable EngineSession engine() {
        return engine;
    }

    /** Whether the engine was told to begin, so that only itself can say what it serves now. */
    public boolean engineTouched() {
        return engineBegun;
    }

    /**
     * Computes the plan, takes slots and opens transfers.
     *
     * @return the plan's digest
     * @throws UpdateException if this worker can not take part; nothing was changed
     */
    public String prepare() throws InterruptedException {
        enter(State.CREATED, State.PREPARED);
        var checkpoint =
                context.store().adopt(order.checkpoint(), context.peers().holders(order.membership()));
        var owners = Ownership.assign(order.checkpoint().shardCount(), order.membership());
        var plan = BucketPlanner.plan(
                checkpoint.layout(),
                checkpoint.sharding(),
                owners,
                order.slots().bytes());
        var prepared = new Streaming(context, order, checkpoint, plan, engine, this::fail, progress);
        streaming = prepared;
        throwIfFailed();
        prepared.open();
        return PlanDigest.of(plan);
    }

    /**
     * Moves every bucket into the engine; on return they are all loaded and verified.
     *
     * @throws UpdateException naming the cause; the engine then needs an {@link #abort}
     */
    public StageReport stream() throws InterruptedException {
        enter(State.PREPARED, State.STREAMING);
        var stages = prepared();
        if (engine != null) {
            engineBegun = true;
            answer("begin", engine.begin(stages.begin()));
        }
        throwIfFailed();
        var report = run(stages);
        if (engine != null) {
            answer("end", engine.end(new WorkerMessage.End(epoch())));
        }
        throwIfFailed();
        state = State.STAGED;
        return report;
    }

    /** A failure given from outside is the cause of what the stages then say. */
    private StageReport run(Streaming stages) throws InterruptedException {
        try {
            return stages.run();
        } catch (RuntimeException e) {
            throwIfFailed();
            throw e;
        }
    }

    /**
     * Makes the staged weights live.
     *
     * @return the time the engine could not serve, microseconds; 0 without an engine
     * @throws UpdateException if the engine did not confirm; it may or may not have committed
     */
    public long commit() throws InterruptedException {
        enter(State.STAGED, State.COMMITTED);
        try {
            if (engine == null) {
                return 0;
            }
            var commit = new WorkerMessage.Commit(epoch(), order.checkpoint().version());
            return EngineAnswers.await("commit", engine, engine.commit(commit), context.engineTimeout())
                    .stallMicros();
        } finally {
            close();
        }
    }

    /**
     * Ends the update without its weights.
     *
     * @return what the engine says of itself, null if it was not touched, does not answer or is gone
     */
    public EngineMessage.@Nullable Aborted abort(String reason) throws InterruptedException {
        try {
            if (engine == null || !engineBegun) {
                return null;
            }
            var abort = new WorkerMessage.Abort(epoch(), reason);
            return EngineAnswers.await("abort", engine, engine.abort(abort), context.engineTimeout());
        } catch (UpdateException e) {
            // An engine that does not answer may still be reading slots: only its disconnection makes them free.
            if (engine != null) {
                engine.close();
            }
            return null;
        } finally {
            close();
        }
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

    private <T> T answer(String verb, CompletableFuture<T> answer) throws InterruptedException {
        var peer = engine;
        if (peer == null) {
            throw new IllegalStateException("no engine to " + verb);
        }
        return EngineAnswers.await(verb, peer, answer, context.engineTimeout());
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

    private void close() {
        state = State.CLOSED;
        var stages = streaming;
        if (stages != null) {
            stages.close();
        }
    }
}
