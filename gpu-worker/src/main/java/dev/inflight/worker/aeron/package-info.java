/**
 * One sender to many receivers over UDP, by Aeron: a {@link dev.inflight.worker.aeron.Cast} sends each bucket once, to a
 * multicast group or, without one, to each receiver's own address; a {@link dev.inflight.worker.aeron.CastReceiver}
 * lands it.
 *
 * <p>Aeron repairs loss by itself. The slowest receiver sets the pace (minimum flow control); one that says nothing for
 * the receiver timeout sets it no longer, and what it then misses it gets another way.
 *
 * <p><b>Messages.</b> At most what one datagram takes: 16 bytes of header (bucket, 4 bytes; zero, 4 bytes; first byte in
 * the bucket, 8 bytes; little-endian) and the bytes. Buckets follow one another whole. The bytes have no checksum of
 * their own: whoever lands a bucket checks its blocks.
 *
 * <p>The media driver is embedded, private to the process, in a directory in shared memory that goes with it. It starts
 * with the first cast or receiver.
 */
@NullMarked
package dev.inflight.worker.aeron;

import org.jspecify.annotations.NullMarked;
