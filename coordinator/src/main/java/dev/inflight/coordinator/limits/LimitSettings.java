package dev.inflight.coordinator.limits;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigValue;
import dev.inflight.coordinator.operation.Settings;
import dev.inflight.protocol.cluster.BandwidthLimit;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Limits of updates, from {@code inflight.coordinator.limits}; reference.conf documents each.
 *
 * @param model what holds for every model that has none of its own
 * @param tenant the same for tenants
 * @param own models and tenants that have limits of their own
 * @param queueLength how many updates of a model may wait for their turn
 * @param queueTimeout how long an update may wait at most
 */
public record LimitSettings(Quota model, Quota tenant, Map<Scope, Quota> own, int queueLength, Duration queueTimeout) {
    public LimitSettings {
        own = Map.copyOf(own);
    }

    /** @throws ConfigException naming file, line and path of what is unknown or out of range */
    public static LimitSettings from(Config config) {
        Settings settings = new Settings(config);
        Map<Scope, Quota> own = new TreeMap<>();
        config.getObject("models")
                .forEach((name, value) -> own.put(Scope.model(name), own(config, "model", name, value)));
        config.getObject("tenants")
                .forEach((name, value) -> own.put(Scope.tenant(name), own(config, "tenant", name, value)));
        return new LimitSettings(
                Quota.from(config.getConfig("model")),
                Quota.from(config.getConfig("tenant")),
                own,
                (int) settings.number("queue-length", 0, 10_000),
                settings.duration("queue-timeout"));
    }

    /** What an entry does not say is as for all others of its kind. */
    private static Quota own(Config config, String kind, String name, ConfigValue value) {
        if (value instanceof ConfigObject entry) {
            return Quota.from(entry.toConfig().withFallback(config.getConfig(kind)));
        }
        throw new ConfigException.WrongType(value.origin(), kind + "s." + name + " must be an object of limits");
    }

    /**
     * What each host keeps to when it sends a model's bytes while engines serve.
     *
     * @param requester who brought them; null if nobody is known
     */
    public List<BandwidthLimit> bandwidth(String model, @Nullable String requester) {
        return Stream.of(Scope.model(model), Scope.tenant(Scope.tenantOf(requester)))
                .filter(scope -> of(scope).bytesPerSecondPerHost() > 0)
                .map(scope -> new BandwidthLimit(scope.toString(), of(scope).bytesPerSecondPerHost()))
                .toList();
    }

    /** What updates of a model or tenant are held to. */
    Quota of(Scope scope) {
        return own.getOrDefault(scope, scope.kind() == Scope.Kind.MODEL ? model : tenant);
    }
}
