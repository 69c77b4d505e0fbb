package dev.inflight.worker.update;

import dev.inflight.worker.store.CheckpointRoots;
import java.time.Duration;

/**
 * How this host takes parts of shards from others, and gives them.
 *
 * @param machine identity of this host's shared memory; empty if it is not to be mapped by others
 * @param connections connections to one source, at least 1
 * @param partTimeout longest time in which a source is alive but nothing of what was asked for comes
 * @param roots where it may read the original files
 */
public record JoinSettings(String machine, int connections, Duration partTimeout, CheckpointRoots roots) {
    /** With the original files wherever they are. */
    public JoinSettings(String machine, int connections, Duration partTimeout) {
        this(machine, connections, partTimeout, CheckpointRoots.ANYWHERE);
    }

    boolean seesMemoryOf(String other) {
        return !machine.isEmpty() && machine.equals(other);
    }
}
