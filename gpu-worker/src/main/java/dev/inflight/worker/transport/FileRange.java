package dev.inflight.worker.transport;

/**
 * Where bytes begin in a file in shared memory.
 *
 * @param path absolute path
 * @param offset first byte
 */
public record FileRange(String path, long offset) {}
