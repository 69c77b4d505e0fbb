package dev.inflight.protocol.link;

import java.nio.ByteBuffer;

/**
 * Turns messages into frames and back. A frame is a 4-byte big-endian length N, then N bytes of UTF-8 JSON: one object
 * whose string field {@code verb} names the message. Unknown fields are ignored; everything else that is unexpected is
 * a {@link LinkException}. Thread-safe.
 */
public final class LinkCodec {
    /** The version of the protocol that this code speaks. */
    public static final int PROTOCOL = 1;
    /** Most bytes of JSON in a frame. */
    public static final int MAX_FRAME_BYTES = 16 << 20;
    /** Bytes before the JSON. */
    public static final int LENGTH_BYTES = Integer.BYTES;

    private LinkCodec() {}

    /**
     * Returns the whole frame, length first, ready to be written.
     *
     * @throws LinkException if it would be longer than {@link #MAX_FRAME_BYTES}
     */
    public static ByteBuffer encode(LinkMessage message) throws LinkException {
        return switch (message) {
            case LinkError error -> JsonFrame.write("error", json -> json.text("message", error.message()));
            case EngineMessage fromEngine -> EngineMessageCodec.encode(fromEngine);
            case WorkerMessage fromWorker -> WorkerMessageCodec.encode(fromWorker);
        };
    }

    /** Reads the JSON of a frame that an engine sent. */
    public static EngineMessage decodeEngineMessage(byte[] json) throws LinkException {
        return decode(json, EngineMessageCodec::decode);
    }

    /** Reads the JSON of a frame that a worker sent. */
    public static WorkerMessage decodeWorkerMessage(byte[] json) throws LinkException {
        return decode(json, WorkerMessageCodec::decode);
    }

    private interface Decoder<M> {
        M decode(String verb, JsonFields fields) throws LinkException;
    }

    private static <M> M decode(byte[] json, Decoder<M> decoder) throws LinkException {
        JsonFields fields = JsonFrame.read(json);
        String verb = fields.text("verb");
        return decoder.decode(verb, fields.named(verb));
    }
}
