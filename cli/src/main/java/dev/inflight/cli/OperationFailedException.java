package dev.inflight.cli;

/** The coordinator accepted an operation, which then failed. The message is its reason. */
final class OperationFailedException extends RuntimeException {
    private static final long serialVersionUID = 1;

    OperationFailedException(String message) {
        super(message);
    }
}
