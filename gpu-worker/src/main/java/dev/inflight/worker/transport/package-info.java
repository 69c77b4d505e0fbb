/**
 * Moves buckets, block sums and manifests between worker hosts over TCP, and brings ranks together.
 *
 * <p><b>Greeting.</b> Both sides send 12 bytes and a name: {@code "IFPL"}, version (1 byte, now 1), a zero byte, the
 * name's length (2 bytes), the sender's idle timeout in milliseconds (4 bytes), then the name in UTF-8. The client's
 * name is empty, the server's is its host. All integers are big-endian.
 *
 * <p><b>Frames.</b> 16 bytes of header and a payload:
 *
 * <pre>
 *  0  op        1 byte, see {@link Op}
 *  1  zero      3 bytes
 *  4  length    4 bytes, payload bytes, bounded per op; no frame is larger than 1 MiB + 16
 *  8  tag       4 bytes: the bucket, the chunk's number, or 0
 * 12  crc32c    4 bytes, over header bytes 0-11 and the payload
 * 16  payload
 * </pre>
 *
 * <p><b>Conversation.</b> A client asks for documents ({@code BLOCK_SUMS}, {@code MANIFEST}, answered by
 * {@code DOCUMENT} and its chunks, or {@code FAILED}), for the communicator of an update's ranks ({@code MEET}, with
 * the epoch, the number of ranks, its own, and the id it holds, if any; answered by {@code GROUP} with the id to use once
 * all ranks have asked, or {@code FAILED}), or opens one transfer ({@code OPEN}, answered by
 * {@code OFFER}), after which the connection belongs to that transfer. Up to 64 requests may be outstanding and are
 * answered in order: {@code REQUEST_BYTES} by {@code BUCKET} and its chunks of 1 MiB, the last one shorter;
 * {@code REQUEST_SLOT}, for consumers that share the server's shm, by {@code READY}. {@code CONSUMED} gives a bucket
 * back and has no answer. {@code BYE} ends a transfer cleanly once all its buckets were consumed, and is answered by
 * {@code BYE}. {@code FAILED} in a transfer ends it.
 *
 * <p>Or it asks for parts of shards: {@code PART}, up to 64 outstanding, answered in order by {@code PART_BYTES} and its
 * chunks; or, if the client named the server's own machine, by {@code PART_AT}, which says where in a file in shared
 * memory the part lies. A part that is still on its way to the server is waited for. {@code FAILED} ends the connection.
 *
 * <p>Or it asks to be cast to: {@code CAST_PARTS} with the checkpoint and its machine, answered by {@code CAST_AT} when
 * enough machines have asked. When it receives there, it sends {@code PARTS_WANTED}: bits, one for each part in the order
 * of {@link dev.inflight.worker.cast.CastOrder}, little-endian. Nothing answers that but {@code FAILED}, when the cast is
 * over; a client that has everything closes the connection.
 *
 * <p><b>Pace.</b> {@code LIMITS} has no answer and says under which limits all that is sent from then on counts: their
 * number (4 bytes), and for each the bytes per second (8 bytes) and the name of its scope. Connections that name the same
 * scope share its limit. While a chunk waits for its turn the server sends {@code WAIT} about twice a second, which is no
 * answer either.
 *
 * <p><b>Liveness.</b> Each side sends {@code PING} whenever it has sent nothing for a second (or a quarter of the other
 * side's idle timeout, if shorter), so a server that waits for a bucket and a consumer busy with its engine are both
 * told from dead ones. A side that waits and hears nothing for its idle timeout closes the connection.
 */
@NullMarked
package dev.inflight.worker.transport;

import org.jspecify.annotations.NullMarked;
