package dev.inflight.tests.e2e;

import dev.inflight.tests.fleet.NodeProcess;
import dev.inflight.tests.fleet.ProcessFleet;
import java.util.Locale;

/**
 * A phase of an update that it is held in. What holds it is outside of the product: a stopped process, or an engine's
 * answer that is kept back.
 */
enum HeldPhase {
    PREPARING,
    BEGINNING,
    STREAMING,
    STAGED,
    COMMITTING;

    String label() {
        return name().toLowerCase(Locale.ROOT);
    }

    /**
     * Begins an update and returns when it is in this phase, in which it stays.
     *
     * @param index of the worker and engine that are in the way
     * @return the update's id
     */
    String hold(ProcessFleet fleet, int index, String target, String mode) throws Exception {
        switch (this) {
            case PREPARING -> fleet.worker(index).pause();
            case BEGINNING -> fleet.gate(index).shut("begun");
            case STREAMING -> fleet.gate(index).shut("loaded", "ended");
            case STAGED -> {
                // No majority of the coordinator nodes says that the update may commit.
                for (NodeProcess standby : fleet.standbys()) {
                    standby.pause();
                }
            }
            case COMMITTING -> fleet.gate(index).shut("committed");
        }
        // Nobody may know of one yet whose coordinator is killed as soon as it prepares.
        String id = fleet.beginUpdate(target, mode, this != STAGED);
        fleet.awaitPhase(id, label());
        if (this != PREPARING && this != STAGED) {
            fleet.awaitHeld(index);
        }
        return id;
    }
}
