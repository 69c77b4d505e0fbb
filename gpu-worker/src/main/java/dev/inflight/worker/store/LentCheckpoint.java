package dev.inflight.worker.store;

import dev.inflight.protocol.checkpoint.CheckpointLayout;
import dev.inflight.protocol.checkpoint.SafetensorsHeader;
import dev.inflight.protocol.plan.Slice;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;

/** A checkpoint that a trainer wrote into an arena of this host, as the bytes of one safetensors file. */
final class LentCheckpoint implements TensorFiles {
    /** The file's name in the layout: equal tensors are equal checkpoints, whatever arena they were written into. */
    static final String FILE = "model.safetensors";

    private final MemorySegment memory;
    private final Path path;
    private final CheckpointLayout layout;
    private final Runnable endLease;
    private final Runnable release;
    private final AtomicBoolean closed = new AtomicBoolean();

    /**
     * @param memory what the trainer wrote
     * @param path the arena
     * @param endLease run when the trainer's part is over
     * @param release run once, when it is closed
     * @throws dev.inflight.protocol.checkpoint.CheckpointException if its header is not sound; nothing is run then
     */
    LentCheckpoint(MemorySegment memory, Path path, Runnable endLease, Runnable release) {
        this.memory = memory.asReadOnly();
        this.path = path;
        this.layout = CheckpointLayout.of(List.of(header(memory)));
        this.endLease = endLease;
        this.release = release;
    }

    private static SafetensorsHeader header(MemorySegment memory) {
        long bytes = memory.byteSize();
        var prefix = copy(memory, 0, Math.min(SafetensorsHeader.PREFIX_BYTES, bytes));
        int length = SafetensorsHeader.jsonBytes(FILE, bytes, prefix);
        return SafetensorsHeader.parse(FILE, bytes, copy(memory, SafetensorsHeader.PREFIX_BYTES, length));
    }

    private static byte[] copy(MemorySegment memory, long offset, long bytes) {
        return memory.asSlice(offset, bytes).toArray(ValueLayout.JAVA_BYTE);
    }

    @Override
    public CheckpointLayout layout() {
        return layout;
    }

    @Override
    public boolean inPlace() {
        return true;
    }

    @Override
    public void read(Slice slice, MemorySegment destination, long offset) {
        var tensor = TensorFiles.tensor(layout, slice);
        MemorySegment.copy(memory, tensor.begin() + slice.begin(), destination, offset, slice.bytes());
    }

    @Override
    public MemorySegment map(int file) {
        return memory;
    }

    @Override
    public Path path(int file) {
        return path;
    }

    /** The trainer's part is over: the memory is free when this is closed. */
    void endLease() {
        endLease.run();
    }

    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            release.run();
        }
    }
}
