package dev.inflight.cli.demo;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;

/**
 * One run on this machine: its directory and its processes. Closing it ends the processes first and then removes every
 * trace; Ctrl-C and SIGTERM do the same through a shutdown hook. Thread-safe.
 */
public final class LocalRun implements AutoCloseable {
    private static final Duration GRACE = Duration.ofSeconds(10);

    private final RunDirectory directory;
    private final List<ChildProcess> processes = new ArrayList<>();
    private final Set<ChildProcess> dismissed = new HashSet<>();
    private final Thread hook = new Thread(this::end, "inflight-run-cleanup");
    private final List<Thread> writers = new ArrayList<>();
    private final Map<Path, Path> keptFiles = new HashMap<>();
    private boolean ended;
    private boolean succeeded;

    private LocalRun(RunDirectory directory) {
        this.directory = directory;
    }

    public static LocalRun begin() {
        return begin(RunDirectory.create());
    }

    /** Begins a run while another one of this process goes on. */
    public static LocalRun beginAnother() {
        return begin(RunDirectory.createAnother());
    }

    private static LocalRun begin(RunDirectory directory) {
        LocalRun run = new LocalRun(directory);
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

    /**
     * Runs a program that ends by itself and waits for it; the end of the run ends it too.
     *
     * @throws FleetException if it fails
     */
    void complete(String name, List<String> command) throws InterruptedException {
        ChildProcess process = start(name, command, Map.of(), directory.path().resolve(name + ".json"));
        int exitCode = process.awaitExitCode();
        synchronized (this) {
            processes.remove(process);
        }
        if (exitCode != 0) {
            throw new FleetException(name + " ended with exit code " + exitCode + process.lastWords());
        }
    }

    /** Starts work that writes into the run's directories; ending the run interrupts it and waits for it. */
    synchronized <T> Future<T> inBackground(String name, Callable<T> work) {
        if (ended) {
            throw new FleetException("the run is over, " + name + " is not started");
        }
        FutureTask<T> task = new FutureTask<>(work);
        writers.add(Thread.ofPlatform().name(name).daemon().start(task));
        return task;
    }

    /**
     * The process of this name that was started last.
     *
     * @throws IllegalArgumentException if there is none
     */
    synchronized ChildProcess process(String name) {
        return processes.reversed().stream()
                .filter(process -> process.name().equals(name))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("no process is called " + name));
    }

    /** From now on this process may end before the run does. */
    synchronized void dismiss(ChildProcess process) {
        dismissed.add(process);
    }

    /** @throws FleetException naming a process that has ended and was not dismissed */
    synchronized void requireAllAlive() {
        processes.stream().filter(process -> !dismissed.contains(process)).forEach(ChildProcess::requireAlive);
    }

    /** Moves a file that a process writes when it ends out of the run's directory, if the run succeeds. */
    synchronized void keepIfSucceeded(Path file, Path destination) {
        keptFiles.put(file, destination);
    }

    synchronized void succeed() {
        succeeded = true;
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
        // A fleet that ends as a whole has nobody to hand anything over to, and leaving one by one takes seconds. In
        // order,
        // last started first, only where processes write something at their end.
        boolean inOrder = succeeded && !keptFiles.isEmpty();
        processes.reversed().forEach(inOrder ? ChildProcess::askToEnd : ChildProcess::endAtOnce);
        writers.forEach(LocalRun::stop);
        processes.forEach(process -> process.awaitEnd(GRACE));
        if (succeeded) {
            keptFiles.forEach(this::keep);
        }
        directory.close();
    }

    private void keep(Path file, Path destination) {
        if (!Files.exists(file)) {
            return;
        }
        Path beside = destination.resolveSibling(destination.getFileName() + "." + directory.id());
        try {
            Files.copy(file, beside);
            Files.move(beside, destination, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            System.err.println("cannot keep " + destination + ": " + e.getMessage());
        }
    }

    private static void stop(Thread writer) {
        writer.interrupt();
        boolean interrupted = false;
        while (true) {
            try {
                writer.join();
                break;
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
