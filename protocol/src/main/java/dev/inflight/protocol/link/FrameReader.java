package dev.inflight.protocol.link;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ReadableByteChannel;
import org.jspecify.annotations.Nullable;

/** Cuts a blocking channel into frames. For one thread. */
public final class FrameReader {
    private final ReadableByteChannel channel;
    private final ByteBuffer buffer = ByteBuffer.allocate(64 << 10).flip();

    public FrameReader(ReadableByteChannel channel) {
        this.channel = channel;
    }

    /**
     * Waits for the next frame and returns its JSON; null if the peer closed the connection between frames.
     *
     * @throws LinkException if the length is zero or above {@link LinkCodec#MAX_FRAME_BYTES}
     * @throws EOFException if the connection ends inside a frame
     */
    public byte @Nullable [] next() throws IOException {
        if (!buffer.hasRemaining() && !refill()) {
            return null;
        }
        byte[] length = take(LinkCodec.LENGTH_BYTES);
        return take(checked(ByteBuffer.wrap(length).getInt()));
    }

    private static int checked(int length) throws LinkException {
        if (length < 1 || length > LinkCodec.MAX_FRAME_BYTES) {
            throw new LinkException("a frame of %s bytes: allowed are 1 to %d"
                    .formatted(Integer.toUnsignedString(length), LinkCodec.MAX_FRAME_BYTES));
        }
        return length;
    }

    private byte[] take(int count) throws IOException {
        byte[] bytes = new byte[count];
        int taken = Math.min(count, buffer.remaining());
        buffer.get(bytes, 0, taken);
        ByteBuffer rest = ByteBuffer.wrap(bytes, taken, count - taken);
        while (rest.hasRemaining()) {
            readInto(rest);
        }
        return bytes;
    }

    // A frame longer than the buffer is read straight into its array; a short one through the buffer.
    private void readInto(ByteBuffer rest) throws IOException {
        if (rest.remaining() >= buffer.capacity()) {
            if (channel.read(rest) < 0) {
                throw new EOFException("the connection ended inside a frame");
            }
            return;
        }
        if (!buffer.hasRemaining() && !refill()) {
            throw new EOFException("the connection ended inside a frame");
        }
        int taken = Math.min(rest.remaining(), buffer.remaining());
        rest.put(rest.position(), buffer, buffer.position(), taken).position(rest.position() + taken);
        buffer.position(buffer.position() + taken);
    }

    private boolean refill() throws IOException {
        int read = channel.read(buffer.clear());
        buffer.flip();
        return read > 0;
    }
}
