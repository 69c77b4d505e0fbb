package dev.inflight.cli.client;

import java.net.URI;

/** Nobody answered at the coordinator's address, or what answered is no coordinator. */
public final class CoordinatorUnreachableException extends RuntimeException {
    private static final long serialVersionUID = 1;

    public CoordinatorUnreachableException(URI base, String why, Throwable cause) {
        super(
                "cannot reach a coordinator at " + base + " (" + why
                        + "); start one with `inflight node --role coordinator`, or name it with --coordinator URL or"
                        + " INFLIGHT_COORDINATOR",
                cause);
    }
}
