package dev.inflight.protocol.link;

import java.nio.charset.StandardCharsets;

/**
 * Whether an engine wants certain tensors of a checkpoint. The first rule of an engine that matches a tensor's name
 * counts; a tensor that none matches is wanted.
 *
 * @param pattern names of tensors in the checkpoint; {@code *} stands for any run of characters, also none
 * @param take whether tensors of these names are wanted
 */
public record WantRule(String pattern, boolean take) {
    /** Most rules of one engine. */
    public static final int MOST = 512;

    /** Most bytes of a pattern in UTF-8. */
    public static final int MOST_PATTERN_BYTES = 256;

    /** Throws {@link IllegalArgumentException} if the pattern is empty or too long. */
    public WantRule {
        int bytes = pattern.getBytes(StandardCharsets.UTF_8).length;
        if (bytes == 0 || bytes > MOST_PATTERN_BYTES) {
            throw new IllegalArgumentException(
                    "a pattern has 1 to %d bytes, this one has %d".formatted(MOST_PATTERN_BYTES, bytes));
        }
    }

    /** Whether the pattern covers the whole name. */
    public boolean matches(String name) {
        return NamePattern.matches(pattern, name);
    }
}
