package dev.inflight.worker.verify;

import dev.inflight.protocol.checkpoint.BlockHasher;
import dev.inflight.protocol.checkpoint.TensorDigest;
import dev.inflight.protocol.link.DumpPart;
import dev.inflight.protocol.link.EngineMessage;
import dev.inflight.protocol.link.WorkerMessage;
import dev.inflight.worker.device.Device;
import dev.inflight.worker.device.HostSlotRing;
import dev.inflight.worker.link.EngineSession;
import dev.inflight.worker.update.EngineAnswers;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/**
 * Tensor bytes that an engine copies out, live or staged, a slot at a time: while one slot is read here, the engine
 * fills the other. For one thread.
 */
final class EngineBytes implements AutoCloseable {
    private static final long BLOCK = BlockHasher.BLOCK_BYTES;

    /** Large enough that asking costs nothing beside copying, small enough to be still in the cache when it is read. */
    private static final long MOST_SLOT_BYTES = 16 * BLOCK;

    private static final int SLOTS = 2;

    private final HostSlotRing ring;
    private final EngineSession engine;
    private final Duration timeout;
    private final @Nullable Long epoch;
    private final Deque<Asked> asked = new ArrayDeque<>();
    private long nextId;

    private record Asked(int slot, CompletableFuture<EngineMessage.Dumped> answer, Reader reader) {}

    /** Reads a slot that the engine has filled. */
    @FunctionalInterface
    interface Reader {
        void read(MemorySegment slot);
    }

    /**
     * @param device gives the slots, at most what one of its rings may take
     * @param timeout longest wait for the engine to fill one
     * @param epoch a running update whose staged bytes are meant; null for live ones
     */
    EngineBytes(Device device, EngineSession engine, Duration timeout, @Nullable Long epoch) {
        long blocks = Math.max(1, device.slotBudgetBytes() / BLOCK);
        int count = blocks < SLOTS ? 1 : SLOTS;
        this.ring = device.hostSlots(count, Math.min(MOST_SLOT_BYTES, blocks / count * BLOCK));
        this.engine = engine;
        this.timeout = timeout;
        this.epoch = epoch;
    }

    /** Size of a slot, a multiple of the block. */
    long slotBytes() {
        return ring.slotBytes();
    }

    /**
     * Has the engine fill a slot with these parts. Readers are called in the order of the dumps, one of them at the
     * latest by {@link #finish}.
     *
     * @throws dev.inflight.worker.update.UpdateException if the engine refuses an earlier dump or does not answer it
     */
    void dump(List<DumpPart> wanted, Reader reader) throws InterruptedException {
        if (asked.size() == ring.count()) {
            readOldest();
        }
        int slot = (int) (nextId % ring.count());
        var answer = engine.dump(new WorkerMessage.Dump(nextId++, ring.memory(slot), wanted, epoch));
        asked.add(new Asked(slot, answer, reader));
    }

    /** Waits for all dumps and reads them. */
    void finish() throws InterruptedException {
        while (!asked.isEmpty()) {
            readOldest();
        }
    }

    private void readOldest() throws InterruptedException {
        var oldest = asked.element();
        EngineAnswers.await("dump", engine, oldest.answer(), timeout);
        asked.remove();
        oldest.reader().read(ring.slot(oldest.slot()));
    }

    /** Digest of a range of a slot of at most a block. */
    static TensorDigest digest(MemorySegment slot, long offset, long bytes) {
        return BlockHasher.digest(slot, offset, Math.toIntExact(bytes));
    }

    /** Whatever the engine still does with a slot must not reach the next update. */
    @Override
    public void close() {
        if (asked.isEmpty()) {
            ring.close();
        } else {
            ring.discard();
        }
    }
}
