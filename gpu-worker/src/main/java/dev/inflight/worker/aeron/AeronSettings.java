package dev.inflight.worker.aeron;

import java.time.Duration;

/**
 * How a process casts and receives.
 *
 * @param host this host's address that others reach
 * @param multicast {@code group:port}; empty to send to each receiver by itself
 * @param ttl how many routers multicast may pass
 * @param ports UDP ports for what is not multicast, {@code low high}; empty for any
 * @param mtuBytes largest datagram, without IP and UDP headers
 * @param termBytes a third of what a cast and each of its receivers keep for repairs; a power of two
 * @param socketBytes socket buffers; the system may give less
 * @param receiverTimeout a receiver that is silent for so long is waited for no longer
 * @param timeout longest silence of a sender
 */
public record AeronSettings(
        String host,
        String multicast,
        int ttl,
        String ports,
        int mtuBytes,
        int termBytes,
        int socketBytes,
        Duration receiverTimeout,
        Duration timeout) {}
