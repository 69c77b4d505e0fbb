package dev.inflight.worker.store;

import dev.inflight.protocol.checkpoint.CheckpointException;
import java.nio.file.Path;

/** This host has nothing at the checkpoint's path; other hosts may. */
public final class CheckpointNotFoundException extends CheckpointException {
    public CheckpointNotFoundException(Path source) {
        super(source.toString(), "no such file or directory on this host");
    }

    CheckpointNotFoundException(String source, String why) {
        super(source, why);
    }
}
