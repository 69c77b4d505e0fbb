package dev.inflight.cli.demo;

import java.nio.file.Path;

/**
 * A fleet to start on this machine.
 *
 * @param engine what every engine is
 * @param workers worker hosts, each with one GPU worker and one engine; at least 1
 * @param model name under which engines ask for weights
 * @param architecture checkpoint from which a torch engine builds its module
 * @param shadow whether engines will hold two versions at once and may take the memory for it early
 */
public record FleetOptions(EngineKind engine, int workers, String model, Path architecture, boolean shadow) {
    public FleetOptions {
        if (workers < 1 || workers > 64) {
            throw new IllegalArgumentException("--workers " + workers + " is outside 1 to 64");
        }
    }
}
