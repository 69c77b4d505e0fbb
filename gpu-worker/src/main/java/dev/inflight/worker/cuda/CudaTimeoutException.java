package dev.inflight.worker.cuda;

/** Work on a GPU was not done within the bound. It may still be running, and may still use its memory. */
public final class CudaTimeoutException extends CudaException {
    private static final long serialVersionUID = 1L;

    CudaTimeoutException(String message) {
        super(message);
    }
}
