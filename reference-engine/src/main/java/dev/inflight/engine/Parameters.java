package dev.inflight.engine;

import dev.inflight.protocol.cluster.LoadMode;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The engine's weights: the live set, a second one for shadow loads, and which of them an update writes to. A set once
 * committed is kept for good and fixes the layout; what the first weights leave behind when broken off is freed. For the
 * link's thread.
 */
final class Parameters {
    private @Nullable ParameterSet live;
    private @Nullable ParameterSet second;
    private @Nullable ParameterSet target;

    /** The layout every checkpoint must have; empty while the engine never had weights. */
    Map<String, LoadProgress.Shape> layout() {
        return live == null ? Map.of() : live.layout();
    }

    @Nullable
    ParameterSet live() {
        return live;
    }

    /** Chooses where an update's bytes go; allocates the second set for the first shadow load. */
    ParameterSet prepare(LoadMode mode) {
        ParameterSet chosen;
        if (live == null) {
            chosen = new ParameterSet();
        } else if (mode == LoadMode.IN_PLACE) {
            chosen = live;
        } else {
            second = second == null ? live.emptyCopy() : second;
            chosen = second;
        }
        target = chosen;
        return chosen;
    }

    /** Makes the update's set the live one; the one it replaces becomes the second set. */
    ParameterSet commit() {
        ParameterSet committed = target;
        if (committed == null) {
            throw new IllegalStateException("nothing to commit");
        }
        if (committed != live) {
            second = live;
            live = committed;
        }
        target = null;
        return committed;
    }

    /** Forgets the update. What it wrote to a live or second set stays there and will be written over. */
    void drop() {
        if (target != null && target != live && target != second) {
            target.close();
        }
        target = null;
    }
}
