package dev.inflight.worker.transport;

import java.nio.ByteBuffer;

/** The reading half of both kinds of answers: the frame that announces, then chunks in order. */
final class ChunkReader {
    private ChunkReader() {}

    /** Waits for a frame of this kind; the connection is closed if another one comes, except for a refused document. */
    static Frame expect(FrameChannel channel, Op op, String what) throws PeerException {
        Frame frame = channel.next();
        if (frame.op() == op) {
            return frame;
        }
        if (frame.op() == Op.FAILED) {
            String message = Payload.message(channel.readPayload(frame));
            if (op != Op.DOCUMENT) {
                channel.close();
            }
            throw channel.failure(what + ": " + message, null);
        }
        channel.close();
        throw channel.failure(what + ": expected a " + op + " frame but got " + frame.op(), null);
    }

    /** Reads one chunk into all of {@code target}; the connection is closed if it is not the right one or is damaged. */
    static void read(FrameChannel channel, String what, int chunk, ByteBuffer target) throws PeerException {
        Frame frame = expect(channel, Op.CHUNK, what + " chunk " + chunk);
        if (frame.tag() != chunk || frame.length() != target.remaining()) {
            channel.close();
            throw channel.failure(
                    "%s chunk %d: expected %d bytes but got chunk %d of %d bytes"
                            .formatted(what, chunk, target.remaining(), frame.tag(), frame.length()),
                    null);
        }
        if (!channel.readPayload(frame, target)) {
            channel.close();
            throw channel.failure(
                    what + " chunk " + chunk + ": the CRC32C does not match, the bytes changed on their way", null);
        }
    }
}
