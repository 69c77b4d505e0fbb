package dev.inflight.worker.transport;

import java.io.IOException;

/** A peer could not be reached, went away, refused a request or sent something it should not have. */
public class PeerException extends IOException {
    private static final long serialVersionUID = 1L;

    public PeerException(String message) {
        super(message);
    }

    public PeerException(String message, Throwable cause) {
        super(message, cause);
    }
}
