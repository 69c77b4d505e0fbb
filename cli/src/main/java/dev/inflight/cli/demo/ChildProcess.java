package dev.inflight.cli.demo;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** One operating-system process of the fleet, its log and the file in which it announces that it is up. */
final class ChildProcess {
    private static final long POLL_MILLIS = 20;

    private final String name;
    private final Process process;
    private final Path log;
    private final Path announcement;
    private volatile List<ProcessHandle> descendants = List.of();

    private ChildProcess(String name, Process process, Path log, Path announcement) {
        this.name = name;
        this.process = process;
        this.log = log;
        this.announcement = announcement;
    }

    /**
     * @param announcement where the process will write a JSON object when it is up
     * @throws FleetException if the program cannot be run at all
     */
    static ChildProcess start(
            String name, List<String> command, Map<String, String> environment, Path log, Path announcement) {
        ProcessBuilder builder = new ProcessBuilder(command)
                .redirectInput(ProcessBuilder.Redirect.from(new File("/dev/null")))
                .redirectErrorStream(true)
                .redirectOutput(log.toFile());
        builder.environment().putAll(environment);
        try {
            return new ChildProcess(name, builder.start(), log, announcement);
        } catch (IOException e) {
            throw new FleetException("cannot start " + name + ": " + e.getMessage(), e);
        }
    }

    String name() {
        return name;
    }

    long pid() {
        return process.pid();
    }

    /**
     * Waits until the process is up.
     *
     * @throws FleetException if it ended instead, or said nothing in time
     */
    JsonNode awaitAnnouncement(Duration limit) throws InterruptedException {
        long deadline = System.nanoTime() + limit.toNanos();
        while (!Files.exists(announcement)) {
            requireAlive();
            if (System.nanoTime() > deadline) {
                throw new FleetException(name + " was not up after " + limit.toSeconds() + " s" + lastWords());
            }
            Thread.sleep(POLL_MILLIS);
        }
        try {
            return new ObjectMapper().readTree(announcement.toFile());
        } catch (IOException e) {
            throw new FleetException(name + " announced itself in " + announcement + " without JSON", e);
        }
    }

    /** @throws FleetException if the process has ended */
    void requireAlive() {
        if (!process.isAlive()) {
            throw new FleetException(name + " ended with exit code " + process.exitValue() + lastWords());
        }
    }

    /** Waits, as long as it takes, for a process that ends by itself; returns its exit code. */
    int awaitExitCode() throws InterruptedException {
        return process.waitFor();
    }

    /** Ends the process with SIGKILL and returns when it is gone. */
    void kill() {
        process.destroyForcibly();
        process.onExit().join();
    }

    /** To be called when it has ended, before another process announces itself in the same place. */
    void forgetAnnouncement() {
        try {
            Files.deleteIfExists(announcement);
        } catch (IOException e) {
            throw new FleetException("cannot remove " + announcement + ": " + e.getMessage(), e);
        }
    }

    /**
     * Asks the process to end, as an operator does, and waits until it has.
     *
     * @throws FleetException if it takes longer
     */
    void stop(Duration limit) throws InterruptedException {
        process.destroy();
        if (!process.waitFor(limit.toMillis(), TimeUnit.MILLISECONDS)) {
            throw new FleetException(
                    name + " has not ended " + limit.toSeconds() + " s after it was asked to" + lastWords());
        }
    }

    /** Asks the process, and what it started, to end: a shell that is told to end leaves its commands running. */
    void askToEnd() {
        descendants = process.descendants().toList();
        process.destroy();
        descendants.forEach(ProcessHandle::destroy);
    }

    /** Ends the process and what it started with SIGKILL, without waiting. */
    void endAtOnce() {
        descendants = process.descendants().toList();
        process.destroyForcibly();
        descendants.forEach(ProcessHandle::destroyForcibly);
    }

    /** Waits for the end and kills the process if it takes longer. Does not throw: used while cleaning up. */
    void awaitEnd(Duration limit) {
        boolean interrupted = false;
        try {
            long deadline = System.nanoTime() + limit.toNanos();
            if (process.waitFor(limit.toMillis(), TimeUnit.MILLISECONDS) && descendantsEnd(deadline)) {
                return;
            }
        } catch (InterruptedException e) {
            interrupted = true;
        }
        descendants.forEach(ProcessHandle::destroyForcibly);
        process.destroyForcibly();
        process.onExit().join();
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private boolean descendantsEnd(long deadline) throws InterruptedException {
        while (descendants.stream().anyMatch(ProcessHandle::isAlive)) {
            if (System.nanoTime() > deadline) {
                return false;
            }
            Thread.sleep(POLL_MILLIS);
        }
        return true;
    }

    /** The end of its log with a word of introduction; empty if it said nothing. */
    String lastWords() {
        try {
            // Not readAllLines: a log may hold anything.
            String text = new String(Files.readAllBytes(log), StandardCharsets.UTF_8).strip();
            String last = text.substring(text.lastIndexOf('\n') + 1).strip();
            return last.isEmpty() ? "" : "; its last words: " + last;
        } catch (IOException e) {
            return "";
        }
    }
}
