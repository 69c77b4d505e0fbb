package dev.inflight.cli.demo;

import dev.inflight.cli.demo.DemoReport.Requests;

/**
 * Outcome of a scenario in which a worker host leaves a fleet that serves.
 *
 * @param engine {@code reference} or {@code torch}
 * @param mode of the updates
 * @param workers engines before
 * @param bytes size of the checkpoint
 * @param tensors number of tensors
 * @param leaveSeconds from SIGTERM to the end of the worker host's process
 * @param seconds duration of the update to v2 after that, as who asked for it saw it
 * @param backSeconds duration of the update back to v1
 * @param stallMs the longest time an engine could not serve in these updates
 * @param othersP99MsBefore 99th percentile of the others' latency before
 * @param othersP99MsDuring the same from the signal to the coordinator's knowing of the end
 * @param requests to the others all the while, updates included
 * @param verified whether after each update every engine's live tensors equalled the manifest's
 */
public record LeaveReport(
        String scenario,
        String engine,
        String mode,
        int workers,
        long bytes,
        int tensors,
        double leaveSeconds,
        double seconds,
        double backSeconds,
        double stallMs,
        double othersP99MsBefore,
        double othersP99MsDuring,
        Requests requests,
        boolean verified)
        implements ScenarioReport {}
