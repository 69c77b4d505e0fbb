package dev.inflight.worker.nccl;

/** NCCL could not be loaded, a call failed or was overdue, or the communicator has ended; the message says which. */
public final class NcclException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    NcclException(String message) {
        super(message);
    }

    NcclException(String message, Throwable cause) {
        super(message, cause);
    }
}
