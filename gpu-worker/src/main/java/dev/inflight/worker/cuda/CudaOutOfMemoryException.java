package dev.inflight.worker.cuda;

/** A GPU has not the memory asked for. */
public final class CudaOutOfMemoryException extends CudaException {
    private static final long serialVersionUID = 1L;

    private final long askedBytes;
    private final long freeBytes;
    private final long totalBytes;

    CudaOutOfMemoryException(String message, long askedBytes, long freeBytes, long totalBytes) {
        super(message + "; asked for " + askedBytes + " bytes, " + freeBytes + " of " + totalBytes + " are free");
        this.askedBytes = askedBytes;
        this.freeBytes = freeBytes;
        this.totalBytes = totalBytes;
    }

    public long askedBytes() {
        return askedBytes;
    }

    /** Free right after the refusal; the largest single allocation may be smaller. */
    public long freeBytes() {
        return freeBytes;
    }

    public long totalBytes() {
        return totalBytes;
    }
}
