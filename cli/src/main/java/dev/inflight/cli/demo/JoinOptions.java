package dev.inflight.cli.demo;

/**
 * What the scenarios in which engines join run with.
 *
 * @param fleet that serves before
 * @param joiners engines that join, each on a worker host of its own
 * @param path how bytes come to them
 */
public record JoinOptions(ScenarioOptions fleet, int joiners, JoinPath path) {
    public JoinOptions {
        if (joiners < 1 || joiners > 32) {
            throw new IllegalArgumentException("--joiners " + joiners + " is outside 1 to 32");
        }
        if (fleet.tp() > 1) {
            throw new IllegalArgumentException("--tp: an engine that joins holds every tensor");
        }
    }
}
