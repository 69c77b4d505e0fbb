package dev.inflight.protocol.link;

/**
 * A byte range of a live tensor and where to put it.
 *
 * @param name the tensor's name in the checkpoint
 * @param offset first byte in the slot
 * @param bytes length
 * @param begin first byte, counted from the tensor's start
 */
public record DumpPart(String name, long offset, long bytes, long begin) {}
