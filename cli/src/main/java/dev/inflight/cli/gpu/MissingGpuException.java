package dev.inflight.cli.gpu;

/** What was asked for needs GPUs that this process does not have; the message says which and where to look. */
public final class MissingGpuException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    MissingGpuException(String message) {
        super(message);
    }

    MissingGpuException(String message, Throwable cause) {
        super(message, cause);
    }
}
