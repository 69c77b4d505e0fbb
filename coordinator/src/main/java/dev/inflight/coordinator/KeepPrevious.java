package dev.inflight.coordinator;

/**
 * Whether the shards of versions that engines had stay in the hosts' memory, {@code inflight.coordinator.keep-previous}.
 */
public enum KeepPrevious {
    /** Until a publish needs the memory. */
    AUTO,
    /** A publish for which there is no memory then fails. */
    ALWAYS,
    /** What goes back to such a version reads its files again. */
    NEVER
}
