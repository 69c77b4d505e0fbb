package dev.inflight.worker.transport;

import org.jspecify.annotations.Nullable;

/** Kinds of frames; each bounds its payload. */
enum Op {
    PING(1, 0),
    BYE(2, 0),

    BLOCK_SUMS(16, 4096),
    MANIFEST(17, 4096),
    OPEN(18, 4096),
    REQUEST_BYTES(19, 0),
    REQUEST_SLOT(20, 0),
    CONSUMED(21, 0),
    SLICE_DIGESTS(24, 1 << 18),
    PART(25, 4096),

    DOCUMENT(32, Long.BYTES),
    OFFER(33, 1 << 20),
    BUCKET(34, Long.BYTES),
    READY(35, Integer.BYTES + 2 * Long.BYTES),
    CHUNK(36, Op.CHUNK_BYTES),
    PART_BYTES(38, Long.BYTES),
    PART_AT(39, 8192),
    FAILED(37, 1 << 16);

    /** Bytes of every chunk but a document's or bucket's last. */
    static final int CHUNK_BYTES = 1 << 20;

    private final byte code;
    private final int maxLength;

    Op(int code, int maxLength) {
        this.code = (byte) code;
        this.maxLength = maxLength;
    }

    byte code() {
        return code;
    }

    int maxLength() {
        return maxLength;
    }

    static @Nullable Op of(byte code) {
        for (Op op : values()) {
            if (op.code == code) {
                return op;
            }
        }
        return null;
    }
}
