package dev.inflight.worker.nccl;

import java.util.HexFormat;
import java.util.regex.Pattern;

/**
 * Names one communicator to all its ranks ({@code ncclUniqueId}): 128 bytes that hold, among others, the address where
 * the process that made the id brings the ranks together. That process must live until all ranks have joined.
 *
 * @param hex the bytes as 256 lower-case hexadecimal digits
 */
public record NcclId(String hex) {
    /** Length of an id in bytes. */
    public static final int BYTES = 128;

    private static final Pattern DIGITS = Pattern.compile("[0-9a-f]{256}");

    /** @throws IllegalArgumentException if {@code hex} is not 256 lower-case hexadecimal digits */
    public NcclId {
        if (!DIGITS.matcher(hex).matches()) {
            throw new IllegalArgumentException("an NCCL id has 256 lower-case hexadecimal digits, this has "
                    + hex.length() + " characters: " + hex);
        }
    }

    /** @throws IllegalArgumentException unless there are 128 bytes */
    public static NcclId of(byte[] bytes) {
        return new NcclId(HexFormat.of().formatHex(bytes));
    }

    public byte[] bytes() {
        return HexFormat.of().parseHex(hex);
    }
}
