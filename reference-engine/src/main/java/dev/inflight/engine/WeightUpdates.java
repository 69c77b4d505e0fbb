package dev.inflight.engine;

import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.cluster.Standby;
import dev.inflight.protocol.link.DumpPart;
import dev.inflight.protocol.link.EngineMessage;
import dev.inflight.protocol.link.EngineMessage.Aborted;
import dev.inflight.protocol.link.EngineMessage.Begun;
import dev.inflight.protocol.link.EngineMessage.Committed;
import dev.inflight.protocol.link.EngineMessage.Dumped;
import dev.inflight.protocol.link.EngineMessage.Ended;
import dev.inflight.protocol.link.EngineMessage.Failed;
import dev.inflight.protocol.link.EngineMessage.Loaded;
import dev.inflight.protocol.link.EngineShare;
import dev.inflight.protocol.link.TensorPart;
import dev.inflight.protocol.link.TensorSlice;
import dev.inflight.protocol.link.WorkerMessage.Abort;
import dev.inflight.protocol.link.WorkerMessage.Begin;
import dev.inflight.protocol.link.WorkerMessage.Commit;
import dev.inflight.protocol.link.WorkerMessage.Dump;
import dev.inflight.protocol.link.WorkerMessage.End;
import dev.inflight.protocol.link.WorkerMessage.Load;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Carries the worker's messages out: what {@link EngineState} allows is done to the request gate and the parameters. One
 * method per verb, called by the link's thread; {@link #serving} and {@link #status} may be read by any.
 */
final class WeightUpdates {
    /** What requests are answered from; read it only with a pass of the gate. */
    record Serving(EngineState.Version version, List<Parameter> parameters) {}

    /** What {@code /health} tells. */
    record Status(
            EngineStatus.State state,
            EngineState.@Nullable Version version,
            @Nullable Standby standby) {}

    private static final int MAX_REASON_CHARS = 2_000;

    private final EngineState state;
    private final RequestGate gate;
    private final LongSupplier nanoTime;
    private final Parameters parameters;
    private final EngineShare share;
    private final PartCopier copier = new PartCopier();
    private final SlotMappings mappings = new SlotMappings();
    private @Nullable RunningUpdate running;
    private volatile @Nullable Serving serving;
    private volatile Status status;

    /**
     * @param share which tensors the engine wants, and what it holds of each
     * @param nanoTime a monotonic clock, nanoseconds
     */
    WeightUpdates(
            EngineState state, RequestGate gate, Parameters parameters, EngineShare share, LongSupplier nanoTime) {
        this.share = share;
        this.state = state;
        this.gate = gate;
        this.parameters = parameters;
        this.nanoTime = nanoTime;
        this.status = new Status(state.label(), state.serving(), state.standby());
    }

    @Nullable
    Serving serving() {
        return serving;
    }

    Status status() {
        return status;
    }

    EngineMessage begin(Begin begin) {
        try {
            state.checkBegin(begin);
            start(begin, mappings.map(begin.slots()));
            return new Begun(begin.epoch());
        } catch (Refusal refusal) {
            return failed(begin.epoch(), null, refusal);
        }
    }

    private void start(Begin begin, Map<Integer, MemorySegment> slots) throws Refusal {
        try {
            LoadProgress progress = new LoadProgress(begin.tensors(), begin.bytes(), parameters.layout(), share);
            ParameterSet target = begin.fromStandby() ? parameters.prepareStandby() : parameters.prepare(begin.mode());
            running = new RunningUpdate(slots, progress, target, nanoTime.getAsLong());
            if (begin.mode() == LoadMode.IN_PLACE) {
                gate.pause();
            }
            state.begin(begin);
        } catch (Refusal | OutOfMemoryError e) {
            running = null;
            parameters.drop();
            throw e instanceof Refusal refusal
                    ? refusal
                    : new Refusal("not enough memory: %s", String.valueOf(e.getMessage()));
        }
        if (begin.mode() == LoadMode.IN_PLACE) {
            serving = null;
        }
        publish();
    }

    EngineMessage load(Load load) {
        try {
            state.checkLoad(load.epoch());
            RunningUpdate update = update();
            MemorySegment slot = update.slot(load.slot());
            for (TensorPart part : load.tensors()) {
                checkInside(slot, part.name(), part.offset(), part.bytes());
            }
            update.progress().add(load.tensors());
            List<PartCopier.Copy> copies = new ArrayList<>(load.tensors().size());
            for (TensorPart part : load.tensors()) {
                addCopies(part, slot, update, copies);
            }
            copier.copy(copies);
            return new Loaded(load.epoch(), load.bucket());
        } catch (Refusal refusal) {
            return failed(load.epoch(), load.bucket(), refusal);
        } catch (OutOfMemoryError e) {
            return failed(
                    load.epoch(), load.bucket(), new Refusal("not enough memory: %s", String.valueOf(e.getMessage())));
        }
    }

    /** What a part brings of the slice of its tensor that is held here. */
    private static void addCopies(
            TensorPart part, MemorySegment slot, RunningUpdate update, List<PartCopier.Copy> copies) {
        LoadProgress.Shape shape = update.progress().shapeOf(part.name());
        MemorySegment to = update.target().ensure(part.name(), shape).memory();
        for (TensorSlice.Run run : shape.slice().runs(part.begin(), part.begin() + part.bytes())) {
            long from = part.offset() + run.full() - part.begin();
            copies.add(new PartCopier.Copy(slot, from, run.stride(), to, run.local(), run.length(), run.count()));
        }
    }

    EngineMessage end(End end) {
        try {
            state.checkLoading(end.epoch());
            RunningUpdate update = update();
            Begin begin = Objects.requireNonNull(state.update());
            if (!begin.fromStandby()) {
                update.progress().checkComplete();
            }
            state.end(end.epoch());
            update.target().inNameOrder(); // sorted now, not while requests wait for the commit
            return new Ended(end.epoch(), begin.tensors());
        } catch (Refusal refusal) {
            return failed(end.epoch(), null, refusal);
        }
    }

    EngineMessage commit(Commit commit) {
        try {
            state.checkCommit(commit);
            boolean wasServing = state.serving() != null;
            long stalledSinceNs = wasServing ? nanoTime.getAsLong() : update().startedNs();
            gate.pause();
            state.commit(commit);
            List<Parameter> live = parameters.commit().inNameOrder();
            serving = new Serving(Objects.requireNonNull(state.serving()), live);
            running = null;
            publish();
            gate.resume();
            long stallMicros = TimeUnit.NANOSECONDS.toMicros(nanoTime.getAsLong() - stalledSinceNs);
            return new Committed(commit.epoch(), commit.version(), stallMicros, state.standby());
        } catch (Refusal refusal) {
            return failed(commit.epoch(), null, refusal);
        }
    }

    EngineMessage abort(Abort abort) {
        dropped(state.abort(abort.epoch()));
        EngineState.Version version = state.serving();
        return version == null
                ? new Aborted(abort.epoch(), EngineStatus.State.PENDING_WEIGHTS, null, state.standby())
                : new Aborted(abort.epoch(), EngineStatus.State.SERVING, version.name(), state.standby());
    }

    EngineMessage dump(Dump dump) {
        try (Arena arena = Arena.ofConfined()) {
            state.checkDump(dump.epoch());
            ParameterSet from = dump.epoch() == null ? parameters.live() : update().target();
            MemorySegment slot = SlotMapping.writable(dump.slot(), arena);
            for (DumpPart part : dump.tensors()) {
                checkInside(slot, part.name(), part.offset(), part.bytes());
                range(from, part);
            }
            for (DumpPart part : dump.tensors()) {
                MemorySegment.copy(range(from, part), 0, slot, part.offset(), part.bytes());
            }
            return new Dumped(dump.id());
        } catch (Refusal refusal) {
            return new Failed(null, null, dump.id(), shorten(refusal.text()));
        }
    }

    /** Nobody is left to finish a running update. */
    void linkLost() {
        dropped(state.linkLost());
        mappings.close();
    }

    // In place, requests stay paused: the live parameters are a mixture until another update has replaced them.
    private void dropped(@Nullable Begin update) {
        if (update == null) {
            return;
        }
        running = null;
        parameters.drop();
        publish();
    }

    private static MemorySegment range(@Nullable ParameterSet from, DumpPart part) throws Refusal {
        Parameter parameter = from == null ? null : from.find(part.name());
        if (parameter == null) {
            throw new Refusal("tensor \"%s\": this engine has no such parameter", part.name());
        }
        checkInside(parameter.memory(), part.name(), part.begin(), part.bytes());
        return parameter.memory().asSlice(part.begin(), part.bytes());
    }

    private static void checkInside(MemorySegment memory, String tensor, long offset, long bytes) throws Refusal {
        if (bytes > memory.byteSize() || offset > memory.byteSize() - bytes) {
            throw new Refusal(
                    "tensor \"%s\": %d bytes from %d do not lie within %d bytes",
                    tensor, bytes, offset, memory.byteSize());
        }
    }

    private RunningUpdate update() {
        return Objects.requireNonNull(running, "no update is running");
    }

    private void publish() {
        status = new Status(state.label(), state.serving(), state.standby());
    }

    private static Failed failed(long epoch, @Nullable Integer bucket, Refusal refusal) {
        return new Failed(epoch, bucket, null, shorten(refusal.text()));
    }

    // Names come from the message that is refused and may be as long as a frame.
    private static String shorten(String reason) {
        return reason.length() <= MAX_REASON_CHARS ? reason : reason.substring(0, MAX_REASON_CHARS) + "…";
    }
}
