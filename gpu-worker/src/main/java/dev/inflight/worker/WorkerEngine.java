package dev.inflight.worker;

import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.Standby;
import dev.inflight.protocol.cluster.WorkerCommand.Prepare;
import dev.inflight.worker.link.EngineSession;
import dev.inflight.worker.update.UpdateSession.AbortOutcome;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * The engine of one GPU worker, if one is attached, and what is known of it. An update says what it did to the engine that
 * takes it; if that one has gone meanwhile, nothing changes for the one that came. Belongs to the worker's actor, which
 * alone calls it; no method blocks.
 */
final class WorkerEngine {
    private final EngineLabels labels;
    private @Nullable AttachedEngine attached;

    /** None is attached yet. */
    WorkerEngine(EngineLabels labels) {
        this.labels = labels;
    }

    void attach(EngineSession session) {
        attached = AttachedEngine.of(session);
    }

    /** @return false if another one is attached, or none */
    boolean detach(EngineSession session) {
        boolean gone = attached != null && attached.session() == session;
        if (gone) {
            attached = null;
        }
        return gone;
    }

    @Nullable
    AttachedEngine attached() {
        return attached;
    }

    /** What the coordinator is told of it; null if there is none. */
    @Nullable
    EngineStatus status() {
        return attached == null ? null : attached.status();
    }

    /** By which it can be selected, or would be if one were attached. */
    Map<String, String> labels() {
        return attached == null ? labels.ofHost() : labels.of(attached.session().hello());
    }

    /** @param receiver the engine that takes an update; null if this worker only sends */
    void updating(@Nullable EngineSession receiver, Prepare order) {
        change(receiver, engine -> engine.updating(order));
    }

    void serving(@Nullable EngineSession receiver, CheckpointRef checkpoint, @Nullable Standby standby) {
        change(receiver, engine -> engine.serving(checkpoint, standby));
    }

    /** One that was lost is gone; its next hello tells what it is. */
    void aborted(@Nullable EngineSession receiver, AbortOutcome outcome) {
        change(receiver, engine -> switch (outcome) {
            case AbortOutcome.Untouched untouched -> engine.untouched();
            case AbortOutcome.Answered answered -> engine.aborted(answered.answer());
            case AbortOutcome.Lost lost -> null;
        });
    }

    private void change(@Nullable EngineSession receiver, Function<AttachedEngine, @Nullable AttachedEngine> change) {
        var engine = attached;
        if (engine != null && engine.session() == receiver) {
            attached = change.apply(engine);
        }
    }
}
