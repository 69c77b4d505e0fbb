package dev.inflight.protocol.link;

import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.cluster.Standby;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What an engine says to its worker. Every message but {@link Hello} and {@link LinkError} answers one
 * {@link WorkerMessage}; answers come in the order of the messages they answer.
 */
public sealed interface EngineMessage extends LinkMessage
        permits EngineMessage.Hello,
                EngineMessage.Begun,
                EngineMessage.Loaded,
                EngineMessage.Ended,
                EngineMessage.Committed,
                EngineMessage.Aborted,
                EngineMessage.Dumped,
                EngineMessage.Failed,
                LinkError {

    /**
     * The first frame on a connection.
     *
     * @param protocol the engine's protocol version, see {@link LinkCodec#PROTOCOL}
     * @param engine the engine's id
     * @param pid its process id
     * @param model the model it serves
     * @param device where its parameters live
     * @param tpRank its tensor-parallel rank, from 0
     * @param tpSize the number of tensor-parallel ranks
     * @param slices which tensors are cut into {@code tpSize} equal parts, of which this engine holds part
     *     {@code tpRank}; the others it holds whole
     * @param wants which tensors it wants at all, at most {@value WantRule#MOST} rules; empty if all
     * @param modes load modes it supports, at least one
     * @param wholeTensors true if its loader can not take a tensor in parts
     * @param version the version it serves; null if it waits for weights
     * @param digest the digest of that version's manifest; null if it waits for weights
     * @param standby what a {@link WorkerMessage.Begin} from standby would take; null if nothing
     */
    record Hello(
            int protocol,
            String engine,
            long pid,
            String model,
            EngineDevice device,
            int tpRank,
            int tpSize,
            List<SliceRule> slices,
            List<WantRule> wants,
            List<LoadMode> modes,
            boolean wholeTensors,
            @Nullable String version,
            @Nullable String digest,
            @Nullable Standby standby)
            implements EngineMessage {
        public Hello {
            slices = List.copyOf(slices);
            wants = List.copyOf(wants);
            modes = List.copyOf(modes);
        }

        /** Of an engine that wants all tensors and has nothing standing by. */
        public Hello(
                int protocol,
                String engine,
                long pid,
                String model,
                EngineDevice device,
                int tpRank,
                int tpSize,
                List<SliceRule> slices,
                List<LoadMode> modes,
                boolean wholeTensors,
                @Nullable String version,
                @Nullable String digest) {
            this(
                    protocol,
                    engine,
                    pid,
                    model,
                    device,
                    tpRank,
                    tpSize,
                    slices,
                    List.of(),
                    modes,
                    wholeTensors,
                    version,
                    digest,
                    null);
        }

        /**
         * The engine's share of a checkpoint.
         *
         * @throws IllegalArgumentException if its rank is not one of its group, or it has too many rules
         */
        public EngineShare share() {
            return new EngineShare(wants, new TensorParallel(tpRank, tpSize, slices));
        }
    }

    /** Answers {@link WorkerMessage.Begin}: slots are mapped; in-place engines are paused and drained. */
    record Begun(long epoch) implements EngineMessage {}

    /** Answers {@link WorkerMessage.Load}: the bytes were copied out of the slot, which may be overwritten. */
    record Loaded(long epoch, int bucket) implements EngineMessage {}

    /** Answers {@link WorkerMessage.End}: the checkpoint is complete, {@code tensors} of them; slots are unmapped. */
    record Ended(long epoch, long tensors) implements EngineMessage {}

    /**
     * Answers {@link WorkerMessage.Commit}: the version is live.
     *
     * @param epoch the update
     * @param version the version now served
     * @param stallMicros the time the engine could not serve because of this update, microseconds
     * @param standby what a {@link WorkerMessage.Begin} from standby would take now; null if nothing
     */
    record Committed(
            long epoch,
            String version,
            long stallMicros,
            @Nullable Standby standby) implements EngineMessage {
        /** With nothing standing by. */
        public Committed(long epoch, String version, long stallMicros) {
            this(epoch, version, stallMicros, null);
        }
    }

    /**
     * Answers {@link WorkerMessage.Abort}.
     *
     * @param epoch the update
     * @param state {@code SERVING} or {@code PENDING_WEIGHTS}
     * @param version the version it serves; null unless serving
     * @param standby what a {@link WorkerMessage.Begin} from standby would take now; null if nothing
     */
    record Aborted(
            long epoch,
            EngineStatus.State state,
            @Nullable String version,
            @Nullable Standby standby) implements EngineMessage {
        public Aborted {
            if (state != EngineStatus.State.SERVING && state != EngineStatus.State.PENDING_WEIGHTS) {
                throw new IllegalArgumentException("state must be SERVING or PENDING_WEIGHTS, not " + state);
            }
        }

        /** With nothing standing by. */
        public Aborted(long epoch, EngineStatus.State state, @Nullable String version) {
            this(epoch, state, version, null);
        }
    }

    /** Answers {@link WorkerMessage.Dump}: the bytes lie in the slot. */
    record Dumped(long id) implements EngineMessage {}

    /**
     * Answers any message of the worker that the engine refuses or could not carry out. Its state is what it was
     * before that message.
     *
     * @param epoch the update the message belonged to; null for a dump
     * @param bucket the bucket, if it answers a load
     * @param id the dump, if it answers one
     * @param message what was wrong, for people
     */
    record Failed(
            @Nullable Long epoch,
            @Nullable Integer bucket,
            @Nullable Long id,
            String message) implements EngineMessage {}
}
