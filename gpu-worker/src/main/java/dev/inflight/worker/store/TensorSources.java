package dev.inflight.worker.store;

import dev.inflight.protocol.cluster.LeaseId;
import dev.inflight.worker.device.Pinning;
import java.nio.file.Path;

/**
 * Where a host finds the tensors that a source names: in files within the roots, or in an arena that a trainer wrote into.
 * Thread-safe.
 */
final class TensorSources {
    private final CheckpointRoots roots;
    private final Pinning pinning;
    private final LentArenas lent;

    /** @param pinning for files that are taken where they lie */
    TensorSources(CheckpointRoots roots, Pinning pinning, LentArenas lent) {
        this.roots = roots;
        this.pinning = pinning;
        this.lent = lent;
    }

    /**
     * What is there, with its headers checked; to be closed.
     *
     * @throws CheckpointNotFoundException if this host sees nothing there
     * @throws dev.inflight.protocol.checkpoint.CheckpointException if it can not be read or breaks the format
     */
    TensorFiles open(String source) {
        var lease = LeaseId.ofSource(source);
        return lease == null ? CheckpointFiles.open(Path.of(source), roots, pinning) : lent.open(lease);
    }
}
