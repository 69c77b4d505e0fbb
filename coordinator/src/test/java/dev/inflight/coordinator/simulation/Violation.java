package dev.inflight.coordinator.simulation;

/** Something happened that must not, whatever fails. */
final class Violation extends RuntimeException {
    private static final long serialVersionUID = 1;

    Violation(String message) {
        super(message);
    }
}
