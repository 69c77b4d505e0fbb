package dev.inflight.protocol.cluster;

/**
 * What an engine can take back without a byte being sent: the checkpoint that its last shadow commit replaced, for as
 * long as nothing has been written over it.
 *
 * @param version the version it was
 * @param digest the SHA-256 of its manifest, which tells whether it is the very same checkpoint
 */
public record Standby(String version, String digest) {}
