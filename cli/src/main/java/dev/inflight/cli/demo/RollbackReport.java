package dev.inflight.cli.demo;

import dev.inflight.cli.demo.DemoReport.Requests;

/**
 * Outcome of a scenario in which engines go from v1 to v2 and are rolled back.
 *
 * @param engine {@code reference} or {@code torch}
 * @param mode of the update and of the rollback
 * @param workers GPU workers, each with one engine
 * @param bytes size of the checkpoint
 * @param tensors number of tensors
 * @param outcome of the rollback, {@code committed} or {@code aborted}
 * @param strategy how v1 came to the engines: {@code standby} if they had it still, else {@code broadcast}
 * @param forwardSeconds duration of the update from v1 to v2, as who asked for it saw it
 * @param forwardStallMs the longest time an engine could not serve in it
 * @param rollbackSeconds duration of the rollback
 * @param stallMs the longest time an engine could not serve in the rollback
 * @param requests of the clients in both
 * @param verified whether every engine's live tensors equal v1's manifest afterwards
 */
public record RollbackReport(
        String scenario,
        String engine,
        String mode,
        int workers,
        long bytes,
        int tensors,
        String outcome,
        String strategy,
        double forwardSeconds,
        double forwardStallMs,
        double rollbackSeconds,
        double stallMs,
        Requests requests,
        boolean verified)
        implements ScenarioReport {}
