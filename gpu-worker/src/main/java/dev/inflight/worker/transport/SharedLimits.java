package dev.inflight.worker.transport;

import dev.inflight.protocol.cluster.BandwidthLimit;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * What connections of one host share of the bandwidth that models and tenants have there: one {@link RateLimit} for each
 * scope that some connection counts under. Thread-safe.
 */
final class SharedLimits {
    private final Map<String, Shared> scopes = new HashMap<>();

    private static final class Shared {
        final RateLimit limit;
        int users;

        Shared(RateLimit limit) {
            this.limit = limit;
        }
    }

    /** One connection more; what was told last of a scope holds for all. To be followed by {@link #leave}. */
    synchronized List<RateLimit> enter(List<BandwidthLimit> limits) {
        var entered = new ArrayList<RateLimit>();
        for (var told : limits) {
            var shared =
                    scopes.computeIfAbsent(told.scope(), scope -> new Shared(new RateLimit(told.bytesPerSecond())));
            shared.limit.change(told.bytesPerSecond());
            shared.users++;
            entered.add(shared.limit);
        }
        return entered;
    }

    /** One connection less. Nothing is saved up in a limit, so it need not outlive its users. */
    synchronized void leave(List<BandwidthLimit> limits) {
        for (var told : limits) {
            scopes.computeIfPresent(told.scope(), (scope, shared) -> --shared.users == 0 ? null : shared);
        }
    }

    /** Scopes that some connection counts under. */
    synchronized int scopes() {
        return scopes.size();
    }
}
