package dev.inflight.worker.cuda;

import java.util.Objects;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * CRC32C of ranges of GPU memory, in their order, as {@link BlockSummer#start} was asked. They are there once an event
 * is done that the caller recorded on the same stream afterwards. Closing gives the summer its memory back, whether
 * they are there or not. {@link CudaContext} has the thread rules.
 */
public final class Sums implements AutoCloseable {
    private final BlockSummer summer;
    private final SumMemory memory;
    private final int size;
    private final AtomicBoolean closed = new AtomicBoolean();
    private volatile boolean done;

    Sums(BlockSummer summer, SumMemory memory, int size) {
        this.summer = summer;
        this.memory = memory;
        this.size = size;
    }

    /** How many ranges. */
    public int size() {
        return size;
    }

    /**
     * The same 32 bits as {@link java.util.zip.CRC32C#getValue()} of the range's bytes.
     *
     * @throws IllegalStateException if the GPU has not done them all, or this is closed
     * @throws CudaException if the GPU failed
     */
    public int crc(int index) {
        Objects.checkIndex(index, size);
        requireDone();
        return memory.crc(index);
    }

    /** All of them. */
    public int[] crcs() {
        requireDone();
        int[] crcs = new int[size];
        for (int i = 0; i < size; i++) {
            crcs[i] = memory.crc(i);
        }
        return crcs;
    }

    private void requireDone() {
        if (closed.get()) {
            throw new IllegalStateException(this + " are closed");
        }
        if (!done) {
            if (!memory.done().isDone()) {
                throw new IllegalStateException(
                        this + " are not done: record an event on their stream and await it first");
            }
            done = true;
        }
    }

    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            summer.giveBack(memory);
        }
    }

    @Override
    public String toString() {
        return "sums of " + size + " ranges by " + summer;
    }
}
