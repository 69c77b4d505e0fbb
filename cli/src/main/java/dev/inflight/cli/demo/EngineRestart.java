package dev.inflight.cli.demo;

import java.util.List;

/**
 * An engine is ended by SIGKILL and started anew beside the others, and gets its weights back by joining.
 *
 * @param secondsFromUp from the new process's being up to its serving, as this process sees it
 * @param operationSeconds the join alone, as the coordinator says
 */
public record EngineRestart(double secondsFromUp, double operationSeconds) {
    /**
     * Returns when the coordinator says that the engine serves again.
     *
     * @param worker number of its worker on the host
     * @param version what the fleet serves
     * @throws ScenarioFailedException if that takes minutes
     */
    public static EngineRestart of(LocalScenario scenario, FleetHost host, int worker, String version)
            throws InterruptedException {
        FleetHost.Engine engine = scenario.fleet().restartEngine(host, worker, 0);
        Joining.Joined joined = new Joining(scenario, version, List.of(engine)).awaitServing();
        return new EngineRestart(joined.slowest(), joined.operationSeconds());
    }
}
