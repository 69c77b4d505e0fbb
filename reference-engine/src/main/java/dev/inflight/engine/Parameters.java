package dev.inflight.engine;

import dev.inflight.protocol.cluster.LoadMode;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.jspecify.annotations.Nullable;

/**
 * The engine's weights: the live set, a second one for shadow loads, and which of them an update writes to. A set once
 * committed is kept for good and fixes the layout; what the first weights leave behind when broken off is freed. For the
 * link's thread.
 */
final class Parameters {
    private final boolean reserveShadow;
    private final WarmMemory warm;
    private @Nullable ParameterSet live;
    private @Nullable ParameterSet second;
    private @Nullable ParameterSet target;
    private @Nullable CompletableFuture<ParameterSet> reserved;

    /**
     * @param reserveShadow whether to allocate the second set in the background once there are first weights, so that
     *     the first shadow load does not wait for it: untouched memory is filled at a tenth of the speed of touched
     * @param warm for the first weights
     */
    Parameters(boolean reserveShadow, WarmMemory warm) {
        this.warm = warm;
        this.reserveShadow = reserveShadow;
    }

    /** The layout every checkpoint must have; empty while the engine never had weights. */
    Map<String, LoadProgress.Shape> layout() {
        return live == null ? Map.of() : live.layout();
    }

    @Nullable
    ParameterSet live() {
        return live;
    }

    /**
     * Chooses where an update's bytes go. For the first shadow load that allocates the second set, or waits for the
     * reserved one if that is still being made.
     *
     * @throws OutOfMemoryError if there is no room for a second set
     */
    ParameterSet prepare(LoadMode mode) {
        ParameterSet chosen;
        if (live == null) {
            chosen = new ParameterSet(warm);
        } else if (mode == LoadMode.IN_PLACE) {
            chosen = live;
        } else {
            chosen = second == null ? allocateSecond(live) : second;
            second = chosen;
        }
        target = chosen;
        return chosen;
    }

    /**
     * Chooses the second set as it is.
     *
     * @throws IllegalStateException if there is none
     */
    ParameterSet prepareStandby() {
        ParameterSet chosen = second;
        if (chosen == null) {
            throw new IllegalStateException("there is no second set");
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
        if (reserveShadow && second == null && reserved == null) {
            reserve(committed.layout());
        }
        return committed;
    }

    private void reserve(Map<String, LoadProgress.Shape> layout) {
        reserved = CompletableFuture.supplyAsync(
                () -> ParameterSet.of(layout),
                task -> Thread.ofPlatform().daemon().name("engine-reserve").start(task));
    }

    private ParameterSet allocateSecond(ParameterSet like) {
        CompletableFuture<ParameterSet> early = reserved;
        reserved = null;
        if (early == null) {
            return ParameterSet.of(like.layout());
        }
        try {
            return early.join();
        } catch (CompletionException e) {
            if (e.getCause() instanceof OutOfMemoryError full) {
                throw full;
            }
            throw e;
        }
    }

    /** Forgets the update. What it wrote to a live or second set stays there and will be written over. */
    void drop() {
        if (target != null && target != live && target != second) {
            target.close();
        }
        target = null;
    }
}
