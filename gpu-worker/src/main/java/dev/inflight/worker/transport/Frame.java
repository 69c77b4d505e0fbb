package dev.inflight.worker.transport;

/**
 * A frame's header, checked against its op's limits; the payload is still to be read.
 *
 * @param length payload bytes
 * @param tag the bucket, the chunk's number, or 0
 */
record Frame(Op op, int length, int tag) {}
