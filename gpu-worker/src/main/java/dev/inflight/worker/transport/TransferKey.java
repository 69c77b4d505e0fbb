package dev.inflight.worker.transport;

/**
 * Names one transfer: the buckets that one owner sends to one consumer in one update.
 *
 * @param epoch the update's epoch
 * @param owner the worker that serves the buckets
 * @param consumer the worker that receives them
 */
public record TransferKey(long epoch, String owner, String consumer) {}
