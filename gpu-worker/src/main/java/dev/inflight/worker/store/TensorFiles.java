package dev.inflight.worker.store;

import dev.inflight.protocol.checkpoint.CheckpointLayout;
import dev.inflight.protocol.checkpoint.TensorSpec;
import dev.inflight.protocol.plan.Slice;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;

/**
 * The bytes of one checkpoint as its trainer left them. All methods may be called from any thread; {@link #close} only
 * when no other call runs and no mapping is in use.
 */
public sealed interface TensorFiles extends AutoCloseable permits CheckpointFiles, LentCheckpoint {
    CheckpointLayout layout();

    /** Whether all files lie in {@code /dev/shm}, so that mapping them takes the place of loading. */
    boolean inPlace();

    /**
     * Copies a slice's bytes from its file.
     *
     * @param destination accessible from the calling thread
     * @param offset where in {@code destination} the slice's first byte goes
     * @throws dev.inflight.protocol.checkpoint.CheckpointException if the file can not be read or became shorter
     */
    void read(Slice slice, MemorySegment destination, long offset);

    /**
     * The whole file, mapped for reading until {@link #close}. Others may change the bytes.
     *
     * @param file index into the layout's files
     * @throws dev.inflight.protocol.checkpoint.CheckpointException if the file can not be mapped
     */
    MemorySegment map(int file);

    /** Where other processes of this machine find a file. */
    Path path(int file);

    @Override
    void close();

    /**
     * @return the slice's tensor
     * @throws IllegalArgumentException if the slice is not in it
     */
    static TensorSpec tensor(CheckpointLayout layout, Slice slice) {
        TensorSpec tensor = layout.tensors().get(slice.tensor());
        if (slice.begin() < 0 || slice.begin() > slice.end() || slice.end() > tensor.bytes()) {
            throw new IllegalArgumentException(slice + " is not in a tensor of " + tensor.bytes() + " bytes");
        }
        return tensor;
    }
}
