package dev.inflight.worker.aeron;

/**
 * Where a cast can be received.
 *
 * @param channel Aeron channel, without what depends on the receiver
 * @param stream Aeron stream id
 * @param session Aeron session id; tells the cast from others of the same multicast group
 */
public record CastOffer(String channel, int stream, int session) {}
