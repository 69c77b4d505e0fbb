package dev.inflight.worker.update;

import dev.inflight.worker.aeron.AeronNode;
import dev.inflight.worker.store.CheckpointRoots;
import dev.inflight.worker.ucx.UcxNode;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * How this host takes parts of shards from others, and gives them.
 *
 * @param machine identity of this host's shared memory; empty if it is not to be mapped by others
 * @param connections connections to one source, at least 1
 * @param ucx how bytes come from hosts that use UCX as well; null for TCP
 * @param partTimeout longest time in which a source is alive but nothing of what was asked for comes
 * @param roots where it may read the original files
 * @param casts how parts come that are cast to many; null if this host receives none
 */
public record JoinSettings(
        String machine,
        int connections,
        @Nullable UcxNode ucx,
        Duration partTimeout,
        CheckpointRoots roots,
        @Nullable Casts casts) {
    /** @param gather how long a join waits for others to begin too, before it takes parts over TCP */
    public record Casts(AeronNode aeron, Duration gather) {}

    /** Over TCP, with the original files wherever they are. */
    public JoinSettings(String machine, int connections, Duration partTimeout) {
        this(machine, connections, null, partTimeout, CheckpointRoots.ANYWHERE, null);
    }

    JoinSettings withoutCasts() {
        return new JoinSettings(machine, connections, ucx, partTimeout, roots, null);
    }

    boolean seesMemoryOf(String other) {
        return !machine.isEmpty() && machine.equals(other);
    }
}
