package dev.inflight.worker.transport;

/** A chunk's CRC32C does not match: its bytes changed between the peer's memory and here. */
public final class DamagedChunkException extends PeerException {
    private static final long serialVersionUID = 1L;

    private final long offset;
    private final int bytes;

    DamagedChunkException(String message, long offset, int bytes) {
        super(message);
        this.offset = offset;
        this.bytes = bytes;
    }

    /** The chunk's first byte in what was asked for. */
    public long offset() {
        return offset;
    }

    /** Its length. */
    public int bytes() {
        return bytes;
    }
}
