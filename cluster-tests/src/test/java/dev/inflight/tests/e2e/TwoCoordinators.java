package dev.inflight.tests.e2e;

import dev.inflight.cli.client.Operation;
import dev.inflight.cli.load.LoadGenerator;
import dev.inflight.cli.load.LoadReport;
import dev.inflight.tests.fleet.NodeProcess;
import dev.inflight.tests.fleet.ProcessFleet;

/** SIGKILL of the coordinator, and of the one that takes over as soon as it decides. */
final class TwoCoordinators {
    private TwoCoordinators() {}

    /**
     * Kills them in a phase of an update; what holds it there lets go only after the second one's death where that can be:
     * a standby that is stopped could not take over, and a stopped worker host would be removed.
     *
     * @param index of the worker and engine that are in the way
     * @param from what engines serve before
     */
    static KillRow kill(ProcessFleet fleet, HeldPhase phase, int index, String mode, String target, String from)
            throws Exception {
        try (LoadGenerator clients = fleet.ask(fleet.engines())) {
            String id = phase.hold(fleet, index, target, mode);
            long begin = System.nanoTime();
            fleet.killCoordinator();
            fleet.worker(index).resume();
            fleet.coordinator().resume();
            for (NodeProcess standby : fleet.standbys()) {
                standby.resume();
            }
            fleet.awaitDecides(fleet.coordinator());
            fleet.killCoordinator();
            fleet.gate(index).open();
            Operation ended = fleet.awaitEnd(id);
            double seconds = (System.nanoTime() - begin) / 1e9;
            String version = ended.succeeded() ? target : from;
            fleet.awaitServing(version);
            LoadReport requests = clients.stop();
            return KillRow.of(phase, "two coordinators", mode, ended, seconds, version, requests);
        }
    }
}
