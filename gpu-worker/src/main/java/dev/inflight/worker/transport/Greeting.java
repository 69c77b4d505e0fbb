package dev.inflight.worker.transport;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;

/** The first bytes of each side, as the package describes them. */
final class Greeting {
    static final int FIXED_BYTES = 12;

    private static final int MAGIC = 0x4946504C; // "IFPL"
    private static final byte VERSION = 1;
    private static final int MAX_NAME_BYTES = 1024;

    private Greeting() {}

    record Header(int nameBytes, int idleTimeoutMs) {}

    static ByteBuffer encode(String name, Duration idleTimeout) {
        byte[] bytes = name.getBytes(StandardCharsets.UTF_8);
        if (bytes.length > MAX_NAME_BYTES) {
            throw new IllegalArgumentException("a host name of " + bytes.length + " bytes; at most " + MAX_NAME_BYTES);
        }
        return ByteBuffer.allocate(FIXED_BYTES + bytes.length)
                .putInt(MAGIC)
                .put(VERSION)
                .put((byte) 0)
                .putShort((short) bytes.length)
                .putInt((int) Math.min(Integer.MAX_VALUE, idleTimeout.toMillis()))
                .put(bytes)
                .flip();
    }

    static Header decode(ByteBuffer fixed) throws MalformedPayloadException {
        if (fixed.getInt() != MAGIC) {
            throw new MalformedPayloadException("does not speak this protocol; is the endpoint right?");
        }
        byte version = fixed.get();
        if (version != VERSION) {
            throw new MalformedPayloadException("speaks version " + Byte.toUnsignedInt(version)
                    + " of the peer protocol, this host speaks " + VERSION + "; run the same release on every host");
        }
        byte reserved = fixed.get();
        int nameBytes = Short.toUnsignedInt(fixed.getShort());
        int idleTimeoutMs = fixed.getInt();
        if (reserved != 0 || nameBytes > MAX_NAME_BYTES || idleTimeoutMs <= 0) {
            throw new MalformedPayloadException("sent a malformed greeting");
        }
        return new Header(nameBytes, idleTimeoutMs);
    }
}
