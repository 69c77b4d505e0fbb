package dev.inflight.cli.demo;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * One run on this machine: its directory and its processes. Closing it ends the processes first and then removes every
 * trace; Ctrl-C and SIGTERM do the same through a shutdown hook. Thread-safe.
 */
public final class LocalRun implements AutoCloseable {
    private static final Duration GRACE = Duration.ofSeconds(10);

    private final RunDirectory directory;
    private final List<ChildProcess> processes = new ArrayList<>();
    private final Thread hook = new Thread(this::end, "inflight-run-cleanup");
    private boolean ended;

    private LocalRun(RunDirectory directory) {
        this.directory = directory;
    }

    public static LocalRun begin() {
        LocalRun run = new LocalRun(RunDirectory.create());
        Runtime.getRuntime().addShutdownHook(run.hook);
        return run;
    }

    public RunDirectory directory() {
        return directory;
    }

    /** Starts a process that belongs to this run; it writes its announcement to {@code announcement}. */
    synchronized ChildProcess start(
            String name, List<String> command, Map<String, String> environment, Path announcement) {
        if (ended) {
            throw new FleetException("the run is over, " + name + " is not started");
        }
        ChildProcess process = ChildProcess.start(name, command, environment, directory.log(name), announcement);
        processes.add(process);
        return process;
    }

    /** @throws FleetException naming a process that has ended */
    synchronized void requireAllAlive() {
        processes.forEach(ChildProcess::requireAlive);
    }

    /** Whether the run is over, e.g. because of Ctrl-C. */
    synchronized boolean ended() {
        return ended;
    }

    @Override
    public void close() {
        end();
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException e) {
            // Already shutting down: the hook finds nothing left to do.
        }
    }

    private synchronized void end() {
        if (ended) {
            return;
        }
        ended = true;
        // Last started first: engines leave before the workers they are attached to.
        processes.reversed().forEach(ChildProcess::askToEnd);
        processes.forEach(process -> process.awaitEnd(GRACE));
        directory.close();
    }
}
