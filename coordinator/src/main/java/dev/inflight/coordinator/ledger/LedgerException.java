package dev.inflight.coordinator.ledger;

/** The ledger's files can not be used as they are. The message names file and line and says what to do. */
public final class LedgerException extends RuntimeException {
    private static final long serialVersionUID = 1;

    LedgerException(String message) {
        super(message);
    }

    LedgerException(String message, Throwable cause) {
        super(message, cause);
    }
}
