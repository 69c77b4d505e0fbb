package dev.inflight.protocol.checkpoint;

/**
 * What is kept of one block of a tensor's bytes.
 *
 * @param crc CRC32C, checked whenever the block was copied
 * @param digest XXH3-128, part of the tensor's digest
 */
public record BlockSum(int crc, TensorDigest digest) {}
