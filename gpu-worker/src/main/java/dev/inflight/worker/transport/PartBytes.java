package dev.inflight.worker.transport;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * A part as one host has it; the bytes stay as they are until it is closed.
 *
 * @param bytes accessible from any thread
 * @param file where the asker can map them itself; null if it can not
 * @param release run when closed
 */
public record PartBytes(MemorySegment bytes, @Nullable FileRange file, Runnable release) implements AutoCloseable {
    @Override
    public void close() {
        release.run();
    }
}
