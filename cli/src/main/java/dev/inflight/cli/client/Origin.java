package dev.inflight.cli.client;

import org.jspecify.annotations.Nullable;

/**
 * Who asks for an operation.
 *
 * @param requester as the history names them; null if it shall not say
 * @param idempotencyKey a request with the same key is answered with the same operation; null for a new one each time
 */
public record Origin(@Nullable String requester, @Nullable String idempotencyKey) {
    public static final Origin UNKNOWN = new Origin(null, null);
}
