package dev.inflight.cli.demo;

import java.util.Locale;

/** Engines the local fleet can start. */
public enum EngineKind {
    /** The Java engine of the reference-engine module. */
    REFERENCE,
    /** The Python package's adapter for a torch module. */
    TORCH;

    /** The name on the command line and in reports. */
    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
