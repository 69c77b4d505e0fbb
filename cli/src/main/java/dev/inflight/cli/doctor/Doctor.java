package dev.inflight.cli.doctor;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Looks this machine over. */
public final class Doctor {
    private Doctor() {}

    /** @param home root of the checkout, if there is one */
    public static List<Check> examine(Optional<Path> home) throws InterruptedException {
        List<Check> checks = new ArrayList<>(new ToolChecks(home).run());
        checks.addAll(new MachineChecks().run());
        checks.addAll(new GpuChecks().run());
        return List.copyOf(checks);
    }
}
