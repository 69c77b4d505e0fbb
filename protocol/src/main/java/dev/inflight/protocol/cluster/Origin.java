package dev.inflight.protocol.cluster;

import org.jspecify.annotations.Nullable;

/**
 * Where a trainer's command comes from.
 *
 * @param requester who asks, as the ledger names them; null if they did not say
 * @param idempotencyKey a command with a key that was used before does nothing: it is answered with the operation that the
 *     first one began, or refused if it asks for something else. Null for a command of its own
 */
public record Origin(@Nullable String requester, @Nullable String idempotencyKey) {
    public static final Origin UNKNOWN = new Origin(null, null);
}
