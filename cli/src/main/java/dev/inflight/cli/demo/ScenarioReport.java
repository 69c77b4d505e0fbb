package dev.inflight.cli.demo;

import dev.inflight.cli.demo.DemoReport.Requests;

/** Outcome of a scenario; its components, in their order, are its JSON. */
public sealed interface ScenarioReport
        permits CanaryReport, CorruptReport, DemoReport, FailoverReport, JoinReport, LeaveReport, RollbackReport {
    /** Requests of the clients while it happened. */
    Requests requests();

    /** Whether every engine's live tensors equal the manifest's. */
    boolean verified();

    /** Whether the scenario shows what it is to show. */
    default boolean passed() {
        return verified()
                && requests().sent() > 0
                && requests().failed() == 0
                && requests().mixed() == 0;
    }
}
