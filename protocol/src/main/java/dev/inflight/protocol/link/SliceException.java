package dev.inflight.protocol.link;

/** A tensor that can not be cut the way an engine's slices want it; the message names it and its shape. */
public final class SliceException extends Exception {
    SliceException(String message) {
        super(message);
    }
}
