package dev.inflight.cli.demo;

/** A scenario did not get to its end. The message says why and where the processes' logs are. */
public final class ScenarioFailedException extends RuntimeException {
    private static final long serialVersionUID = 1;

    public ScenarioFailedException(String message) {
        super(message);
    }

    public ScenarioFailedException(String message, Throwable cause) {
        super(message, cause);
    }
}
