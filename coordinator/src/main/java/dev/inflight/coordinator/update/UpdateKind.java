package dev.inflight.coordinator.update;

import java.util.Locale;

/**
 * What brings engines to a version, as operations name it. An operation's id begins with it, also for a coordinator that
 * takes it over.
 */
public enum UpdateKind {
    UPDATE,
    /** An update to a version that the engines had before. */
    ROLLBACK,
    /** An update of one engine to what the others have. */
    JOIN;

    /** The kind of the operation with this id. */
    public static UpdateKind of(String id) {
        for (UpdateKind kind : values()) {
            if (id.startsWith(kind.label() + "-")) {
                return kind;
            }
        }
        return UPDATE;
    }

    /** The name in operations and results. */
    public String label() {
        return name().toLowerCase(Locale.ROOT);
    }
}
