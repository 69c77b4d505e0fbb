package dev.inflight.protocol.cluster;

import org.jspecify.annotations.Nullable;

/** Answer to a {@link LeaseCommand}. */
public sealed interface LeaseReply extends Wire permits LeaseReply.Lease, OperationReply.Refused {
    /**
     * A trainer's right to write a checkpoint into an arena of a host.
     *
     * @param lease a {@link LeaseId}
     * @param path the arena in the host's shared memory; null unless it is ready
     * @param bytes how many of its first bytes are the trainer's
     * @param expiresInMillis when the host takes it back unless it is published before
     * @param error why there is no memory, if it failed
     */
    record Lease(
            String lease,
            String host,
            State state,
            @Nullable String path,
            long bytes,
            long expiresInMillis,
            @Nullable String error)
            implements LeaseReply {
        public enum State {
            /** Memory is being allocated and touched. */
            PREPARING,
            READY,
            FAILED,
            /** Taken back; it is known no longer. */
            GIVEN_BACK
        }
    }
}
