package dev.inflight.protocol.checkpoint;

/**
 * One file of a checkpoint.
 *
 * @param name path relative to the checkpoint's directory, or the bare file name
 * @param bytes length of the whole file
 */
public record SourceFile(String name, long bytes) {}
