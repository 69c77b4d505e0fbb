package dev.inflight.cli;

import dev.inflight.cli.client.CanaryDecision;
import dev.inflight.cli.client.CoordinatorClient;
import dev.inflight.cli.client.CoordinatorRefusedException;
import dev.inflight.cli.client.CoordinatorUnreachableException;
import dev.inflight.cli.client.Operation;
import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Runs a command again and again while a canary holds, and promotes or reverts it. It runs where somebody may run commands
 * anyway, rather than on the coordinator's machine. If this process ends, the coordinator reverts the canary in a while.
 */
final class CommandCheck {
    private static final Duration INTERVAL = Duration.ofSeconds(2);
    private static final Duration LONGEST = Duration.ofSeconds(30);

    private final CoordinatorClient client;
    private final String command;
    private final long holdNanos;
    private @Nullable Long since;
    private long next;
    private boolean decided;

    CommandCheck(CoordinatorClient client, String command, Duration hold) {
        this.client = client;
        this.command = command;
        this.holdNanos = hold.toNanos();
    }

    /** Called while the operation runs, at least every second. */
    void look(Operation operation) {
        if (decided || !"holding".equals(operation.phase())) {
            return;
        }
        long now = System.nanoTime();
        Long begun = since;
        if (begun == null) {
            begun = now;
            since = now;
            next = now;
        }
        boolean over = now - begun >= holdNanos;
        if (!over && now - next < 0) {
            return;
        }
        try {
            decide(operation.id(), over, problem(operation.id()));
            next = System.nanoTime() + INTERVAL.toNanos();
        } catch (CoordinatorUnreachableException e) {
            // It may be moving; the next look tries again.
        } catch (CoordinatorRefusedException e) {
            // Somebody else has decided, or the coordinator has just begun; its answers will say so.
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void decide(String operation, boolean over, @Nullable String problem) throws InterruptedException {
        if (problem != null) {
            client.revert(CanaryDecision.ofCommand(operation, problem));
            decided = true;
        } else if (over) {
            client.promote(CanaryDecision.ofCommand(operation, null));
            decided = true;
        }
    }

    /** Why the command did not succeed; null if it did. */
    private @Nullable String problem(String operation) throws InterruptedException {
        Process process;
        try {
            ProcessBuilder builder = new ProcessBuilder("sh", "-c", command)
                    .redirectInput(ProcessBuilder.Redirect.from(new java.io.File("/dev/null")))
                    // Standard output is for the answer.
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                    .redirectError(ProcessBuilder.Redirect.INHERIT);
            builder.environment().put("INFLIGHT_CANARY", operation);
            process = builder.start();
        } catch (IOException e) {
            return "the command can not be run: " + e.getMessage();
        }
        try {
            if (!process.waitFor(LONGEST.toMillis(), TimeUnit.MILLISECONDS)) {
                return "the command still ran after " + LONGEST.toSeconds() + " s";
            }
        } finally {
            process.descendants().forEach(ProcessHandle::destroyForcibly);
            process.destroyForcibly();
        }
        int code = process.exitValue();
        return code == 0 ? null : "the command ended with exit code " + code;
    }
}
