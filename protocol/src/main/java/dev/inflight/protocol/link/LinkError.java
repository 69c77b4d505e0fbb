package dev.inflight.protocol.link;

/** Says why the sender closes the connection; the last frame of its direction. Either side may send it. */
public record LinkError(String message) implements EngineMessage, WorkerMessage {}
