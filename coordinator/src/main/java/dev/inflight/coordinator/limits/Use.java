package dev.inflight.coordinator.limits;

import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * An update that began.
 *
 * @param bytes size of its checkpoint
 * @param endedAt null while it runs
 */
public record Use(
        String id,
        String model,
        String tenant,
        long bytes,
        Instant begunAt,
        @Nullable Instant endedAt) {
    Use ended(Instant at) {
        return new Use(id, model, tenant, bytes, begunAt, at);
    }

    boolean isOf(Scope scope) {
        return scope.name()
                .equals(
                        switch (scope.kind()) {
                            case MODEL -> model;
                            case TENANT -> tenant;
                        });
    }

    boolean runs(Instant now) {
        return endedAt == null || endedAt.isAfter(now);
    }
}
