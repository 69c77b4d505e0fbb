package dev.inflight.cli.demo;

import dev.inflight.cli.demo.DemoReport.Requests;

/**
 * Outcome of a scenario in which the coordinator is killed in the middle of an update from v1 to v2.
 *
 * @param engine {@code reference} or {@code torch}
 * @param mode of the update
 * @param workers GPU workers, each with one engine
 * @param coordinators coordinator nodes before
 * @param bytes size of the checkpoint
 * @param tensors number of tensors
 * @param killedIn phase in which the update was seen last before the signal
 * @param outcome what became of that update, {@code committed} or {@code aborted}
 * @param version what every engine served then
 * @param failoverSeconds from SIGKILL to the update's end, with every engine serving, as the next coordinator told it
 * @param stallMs the longest time in which one engine answered nobody, from the update's beginning to that end
 * @param detectedBy {@code refused connection} if a node that stood by took the process for dead because of it, else
 *     {@code split-brain resolver}
 * @param requests of the clients all the while
 * @param verified whether every engine served that version afterwards, could be updated to v2 by the next coordinator,
 *     and its live tensors then equalled v2's manifest
 */
public record FailoverReport(
        String scenario,
        String engine,
        String mode,
        int workers,
        int coordinators,
        long bytes,
        int tensors,
        String killedIn,
        String outcome,
        String version,
        double failoverSeconds,
        double stallMs,
        String detectedBy,
        Requests requests,
        boolean verified)
        implements ScenarioReport {}
