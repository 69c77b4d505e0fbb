package dev.inflight.protocol.link;

import java.io.IOException;

/** The peer broke the engine link's protocol, or a message can not be sent under its limits. */
public final class LinkException extends IOException {
    public LinkException(String message) {
        super(message);
    }

    LinkException(String message, Throwable cause) {
        super(message, cause);
    }
}
