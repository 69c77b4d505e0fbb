package dev.inflight.protocol.link;

/**
 * Which tensors an engine of a tensor-parallel group cuts, and where.
 *
 * @param pattern names of tensors in the checkpoint; {@code *} stands for any run of characters, also none
 * @param dim the dimension that is cut into as many equal parts as the group has ranks, 0 for the outermost
 */
public record SliceRule(String pattern, int dim) {
    /** Whether the pattern covers the whole name. */
    public boolean matches(String name) {
        return NamePattern.matches(pattern, name);
    }
}
