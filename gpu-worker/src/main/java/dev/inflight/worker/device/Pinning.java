package dev.inflight.worker.device;

import java.lang.foreign.MemorySegment;

/** Makes host memory fit for fast copies to this host's devices. */
@FunctionalInterface
public interface Pinning {
    /** For hosts without a GPU: memory is as near as it gets. */
    Pinning NONE = memory -> () -> {};

    /**
     * Takes some time; what was pinned must be closed before it is unmapped.
     *
     * @param memory native memory that is not pinned already
     */
    Pinned pin(MemorySegment memory);

    /** Memory that is pinned until closed. */
    @FunctionalInterface
    interface Pinned extends AutoCloseable {
        @Override
        void close();
    }
}
