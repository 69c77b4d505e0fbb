package dev.inflight.protocol.link;

/** Any message of the engine link. */
public sealed interface LinkMessage permits EngineMessage, WorkerMessage {}
