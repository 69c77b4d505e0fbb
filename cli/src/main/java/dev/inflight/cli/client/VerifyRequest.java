package dev.inflight.cli.client;

import com.fasterxml.jackson.annotation.JsonInclude;
import org.jspecify.annotations.Nullable;

/**
 * Body of {@code POST /v1/verifications}.
 *
 * @param group ids of engines; all of the model if null
 * @param select labels that they must have, as in {@code tenant=a,domain=chat}
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record VerifyRequest(
        String model, @Nullable String group, @Nullable String select) {}
