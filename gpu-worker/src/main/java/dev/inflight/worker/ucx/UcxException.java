package dev.inflight.worker.ucx;

import java.util.concurrent.ExecutionException;

/** UCX is not there or failed. */
public final class UcxException extends Exception {
    private static final long serialVersionUID = 1L;

    UcxException(String message) {
        super(message);
    }

    UcxException(String message, Throwable cause) {
        super(message, cause);
    }

    /** What a message failed with. */
    public static String reason(ExecutionException failed) {
        var cause = failed.getCause();
        return cause instanceof UcxException ucx ? String.valueOf(ucx.getMessage()) : String.valueOf(cause);
    }
}
