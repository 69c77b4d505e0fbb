package dev.inflight.coordinator;

import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.receptionist.Receptionist;
import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.cluster.WorkerCommand;
import dev.inflight.protocol.cluster.WorkerCommand.Prepare;
import dev.inflight.protocol.cluster.WorkerEvent;
import dev.inflight.protocol.cluster.WorkerEvent.Aborted;
import dev.inflight.protocol.cluster.WorkerEvent.Begun;
import dev.inflight.protocol.cluster.WorkerEvent.Committed;
import dev.inflight.protocol.cluster.WorkerEvent.Prepared;
import dev.inflight.protocol.cluster.WorkerEvent.Session;
import dev.inflight.protocol.cluster.WorkerEvent.StageReport;
import dev.inflight.protocol.cluster.WorkerEvent.Staged;
import dev.inflight.protocol.cluster.WorkerEvent.Verified;
import dev.inflight.protocol.cluster.WorkerEvent.WorkerState;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A worker whose engine takes every update at once, except versions that it never stages, "stuck" unless said otherwise. */
final class FakeWorker {
    private final String id;
    private final String model;
    private final String stuckAt;
    private final List<ActorRef<WorkerEvent>> subscribers = new ArrayList<>();
    private @Nullable Prepare prepared;
    private @Nullable Session session;
    private @Nullable String version;

    private FakeWorker(String id, String model, @Nullable String version, @Nullable Session session, String stuckAt) {
        this.id = id;
        this.model = model;
        this.stuckAt = stuckAt;
        this.version = version;
        this.session = session;
    }

    static Behavior<WorkerCommand> create(String id, @Nullable String version, @Nullable Session session) {
        return create(id, TestFleet.MODEL, version, session, "stuck");
    }

    /** Without weights, and never done with those of a version. */
    static Behavior<WorkerCommand> thatDoesNotStage(String id, String stuckAt) {
        return create(id, TestFleet.MODEL, null, null, stuckAt);
    }

    /** Without weights, of another model than the others. */
    static Behavior<WorkerCommand> ofModel(String id, String model) {
        return create(id, model, null, null, "stuck");
    }

    private static Behavior<WorkerCommand> create(
            String id, String model, @Nullable String version, @Nullable Session session, String stuckAt) {
        return Behaviors.setup(context -> {
            context.getSystem().receptionist().tell(Receptionist.register(WorkerCommand.KEY, context.getSelf()));
            FakeWorker worker = new FakeWorker(id, model, version, session, stuckAt);
            return Behaviors.receiveMessage(command -> {
                worker.on(command);
                return Behaviors.same();
            });
        });
    }

    private void on(WorkerCommand command) {
        switch (command) {
            case WorkerCommand.Subscribe subscribe -> {
                subscribers.add(subscribe.subscriber());
                subscribe.subscriber().tell(state());
            }
            case Prepare prepare -> {
                prepared = prepare;
                become(new Session(prepare.epoch(), prepare.updateId(), members(), Session.Phase.PREPARED, null));
                prepare.replyTo().tell(new Prepared(id, prepare.epoch(), "plan"));
            }
            case WorkerCommand.Begin begin -> begin(begin);
            case WorkerCommand.Stream stream -> stage(stream);
            case WorkerCommand.Drop drop -> {}
            case WorkerCommand.Repair repair -> {}
            case WorkerCommand.HoldOn told -> {}
            case WorkerCommand.Commit commit -> commit(commit);
            case WorkerCommand.Abort abort -> {
                become(null);
                abort.replyTo().tell(new Aborted(id, abort.epoch(), engine()));
            }
            case WorkerCommand.Verify verify ->
                verify.replyTo().tell(new Verified(id, verify.verifyId(), "e-" + id, version, 3, List.of(), 0, null));
        }
    }

    private void begin(WorkerCommand.Begin begin) {
        if (prepared != null) {
            become(new Session(begin.epoch(), prepared.updateId(), members(), Session.Phase.BEGUN, null));
            prepared.replyTo().tell(new Begun(id, begin.epoch()));
        }
    }

    private void stage(WorkerCommand.Stream stream) {
        if (prepared != null && !prepared.checkpoint().version().equals(stuckAt)) {
            become(new Session(stream.epoch(), prepared.updateId(), members(), Session.Phase.STAGED, null));
            prepared.replyTo().tell(new Staged(id, stream.epoch(), new StageReport(1, 1, 1, 1, 1, 4096, 0)));
        }
    }

    private void commit(WorkerCommand.Commit commit) {
        if (session == null) {
            return;
        }
        version = prepared == null ? "recovered" : prepared.checkpoint().version();
        become(new Session(commit.epoch(), session.updateId(), members(), Session.Phase.COMMITTED, null));
        if (prepared != null) {
            prepared.replyTo().tell(new Committed(id, commit.epoch(), 1500));
        }
    }

    private int members() {
        return prepared == null
                ? session == null ? 0 : session.members()
                : prepared.membership().workers().size();
    }

    private void become(@Nullable Session next) {
        session = next;
        subscribers.forEach(subscriber -> subscriber.tell(state()));
    }

    private WorkerState state() {
        long epoch = session == null ? 1 : session.epoch();
        return new WorkerState(id, id.substring(0, id.indexOf('/')), "host", 64 << 20, null, epoch, session, engine());
    }

    private EngineStatus engine() {
        return new EngineStatus(
                "e-" + id,
                model,
                1,
                List.of(LoadMode.IN_PLACE, LoadMode.SHADOW),
                false,
                version == null ? EngineStatus.State.PENDING_WEIGHTS : EngineStatus.State.SERVING,
                version,
                null,
                null);
    }
}
