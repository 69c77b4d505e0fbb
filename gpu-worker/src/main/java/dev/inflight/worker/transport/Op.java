package dev.inflight.worker.transport;

import dev.inflight.worker.nccl.NcclId;
import dev.inflight.worker.ucx.UcxNode;
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
    MEET(22, Long.BYTES + 2 * Integer.BYTES + 1 + NcclId.BYTES),
    CAST_PARTS(23, 4096),
    SLICE_DIGESTS(24, 1 << 18),
    PART(25, 4096),
    UCX(26, Long.BYTES + UcxNode.MAX_ADDRESS_BYTES),
    REQUEST_CAST(27, 0),
    CAST(28, 0),
    RESEND(29, 0),
    LIMITS(30, 4096),
    PARTS_WANTED(31, 1 << 20),

    DOCUMENT(32, Long.BYTES),
    OFFER(33, 1 << 20),
    BUCKET(34, Long.BYTES),
    READY(35, Integer.BYTES + 2 * Long.BYTES),
    CHUNK(36, Op.CHUNK_BYTES),
    FAILED(37, 1 << 16),
    PART_BYTES(38, Long.BYTES),
    PART_AT(39, 8192),
    GROUP(40, NcclId.BYTES),
    UCX_ANSWER(41, 4096),
    CHUNK_SENT(42, Integer.BYTES),
    CASTING(43, Long.BYTES),
    CAST_AT(44, 4096),
    PART_ABSENT(45, 0),
    WAIT(46, 0);

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
