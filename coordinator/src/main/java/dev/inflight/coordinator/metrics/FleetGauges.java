package dev.inflight.coordinator.metrics;

import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.protocol.cluster.EngineStatus;
import io.prometheus.metrics.core.metrics.GaugeWithCallback;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** What of the fleet is live, counted when it is asked for. Versions are no label: every update brings a new one. */
final class FleetGauges {
    private volatile Fleet fleet = Fleet.EMPTY;

    FleetGauges(PrometheusRegistry registry) {
        GaugeWithCallback.builder()
                .name("inflight_hosts")
                .help("Live worker hosts.")
                .callback(callback -> callback.call(fleet.hosts().size()))
                .register(registry);
        GaugeWithCallback.builder()
                .name("inflight_workers")
                .help("Live GPU workers, with or without an engine.")
                .callback(callback -> callback.call(fleet.workers().size()))
                .register(registry);
        GaugeWithCallback.builder()
                .name("inflight_engines")
                .help("Engines attached to live workers, by model and state.")
                .labelNames("model", "state")
                .callback(callback -> engines().forEach((model, engines) -> {
                    for (EngineStatus.State state : EngineStatus.State.values()) {
                        String label = state.name().toLowerCase(Locale.ROOT);
                        callback.call(inState(state, engines), model, label);
                    }
                }))
                .register(registry);
        GaugeWithCallback.builder()
                .name("inflight_engine_versions")
                .help("How many different versions engines of a model have; 1 when all have the same.")
                .labelNames("model")
                .callback(callback -> engines().forEach((model, engines) -> callback.call(versions(engines), model)))
                .register(registry);
    }

    void show(Fleet now) {
        fleet = now;
    }

    private static double inState(EngineStatus.State state, List<EngineStatus> engines) {
        return (double)
                engines.stream().filter(engine -> engine.state() == state).count();
    }

    private static int versions(List<EngineStatus> engines) {
        return engines.stream()
                .map(EngineStatus::version)
                .filter(Objects::nonNull)
                .collect(Collectors.toSet())
                .size();
    }

    private Map<String, List<EngineStatus>> engines() {
        return fleet.workers().values().stream()
                .map(worker -> worker.engine())
                .filter(Objects::nonNull)
                .collect(Collectors.groupingBy(EngineStatus::model, TreeMap::new, Collectors.toList()));
    }
}
