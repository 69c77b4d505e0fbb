package dev.inflight.cli.demo;

import java.util.Locale;

/** Where made-up checkpoints lie. */
public enum CheckpointPlace {
    /** In {@code /dev/shm}, where hosts take them in place; on disk if they do not fit there. */
    SHM,
    /** On disk, from where publishing loads them into the host stores. */
    DISK;

    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
