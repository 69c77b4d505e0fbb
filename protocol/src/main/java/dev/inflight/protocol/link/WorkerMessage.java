package dev.inflight.protocol.link;

import dev.inflight.protocol.cluster.LoadMode;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What a worker says to its engine. The engine carries messages out in order and answers every one in order. */
public sealed interface WorkerMessage extends LinkMessage
        permits WorkerMessage.Welcome,
                WorkerMessage.Begin,
                WorkerMessage.Load,
                WorkerMessage.End,
                WorkerMessage.Commit,
                WorkerMessage.Abort,
                WorkerMessage.Dump,
                LinkError {

    /** Accepts the engine's {@code hello}; not answered. */
    record Welcome(int protocol, String worker) implements WorkerMessage {}

    /**
     * Starts an update.
     *
     * @param epoch fences the update's messages; higher than every epoch before
     * @param model the model, which must be the engine's
     * @param version the target version
     * @param digest the digest of its manifest
     * @param mode how to load
     * @param tensors the number of tensors in the checkpoint
     * @param bytes the sum of their sizes
     * @param slots where buckets will lie, with distinct ids; none from standby
     * @param fromStandby whether the engine takes back what stands by in it, in shadow mode, and no bucket comes
     */
    record Begin(
            long epoch,
            String model,
            String version,
            String digest,
            LoadMode mode,
            long tensors,
            long bytes,
            List<SlotRef> slots,
            boolean fromStandby)
            implements WorkerMessage {
        public Begin {
            slots = List.copyOf(slots);
        }

        /** An update whose bytes come in buckets. */
        public Begin(
                long epoch,
                String model,
                String version,
                String digest,
                LoadMode mode,
                long tensors,
                long bytes,
                List<SlotRef> slots) {
            this(epoch, model, version, digest, mode, tensors, bytes, slots, false);
        }
    }

    /** Asks the engine to copy a bucket's tensors out of a slot; several may be outstanding. */
    record Load(long epoch, int bucket, int slot, List<TensorPart> tensors) implements WorkerMessage {
        public Load {
            tensors = List.copyOf(tensors);
        }
    }

    /** Every bucket was loaded: asks the engine to check that nothing is missing. */
    record End(long epoch) implements WorkerMessage {}

    /** Makes an ended update live. */
    record Commit(long epoch, String version) implements WorkerMessage {}

    /** Drops an update. */
    record Abort(long epoch, String reason) implements WorkerMessage {}

    /**
     * Asks for bytes, for verification: live ones between updates, or those that the commit of a running update which
     * has ended would make live.
     *
     * @param id names it in the answer
     * @param slot where they go
     * @param tensors which bytes
     * @param epoch the running update; null for live bytes
     */
    record Dump(
            long id,
            SlotMemory slot,
            List<DumpPart> tensors,
            @Nullable Long epoch) implements WorkerMessage {
        public Dump {
            tensors = List.copyOf(tensors);
        }

        /** Of live bytes. */
        public Dump(long id, SlotMemory slot, List<DumpPart> tensors) {
            this(id, slot, tensors, null);
        }
    }
}
