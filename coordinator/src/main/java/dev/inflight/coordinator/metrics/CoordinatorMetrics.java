package dev.inflight.coordinator.metrics;

import com.fasterxml.jackson.databind.JsonNode;
import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.operation.Json;
import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.protocol.cluster.OperationReply.Operation;
import io.prometheus.metrics.core.metrics.Counter;
import io.prometheus.metrics.core.metrics.Gauge;
import io.prometheus.metrics.core.metrics.Histogram;
import io.prometheus.metrics.expositionformats.PrometheusTextFormatWriter;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Locale;

/**
 * The metrics of one coordinator node. The node that decides counts operations when they end and shows its fleet; the
 * others show that they do not decide, and what they counted before. Thread-safe; costs nothing while bytes move.
 */
public final class CoordinatorMetrics {
    private static final double[] UPDATE_SECONDS = {0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 60, 120, 300, 900};
    private static final double[] STALL_SECONDS = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30};
    private static final String UNKNOWN = "unknown";
    private static final List<String> MOVES = List.of("update", "rollback", "join");

    private final PrometheusRegistry registry = new PrometheusRegistry();
    private final Gauge leader = Gauge.builder()
            .name("inflight_coordinator_leader")
            .help("1 on the coordinator node that decides, else 0.")
            .register(registry);
    private final Gauge running = Gauge.builder()
            .name("inflight_operations_running")
            .help("Operations that run, by kind.")
            .labelNames("kind")
            .register(registry);
    private final Counter ended = Counter.builder()
            .name("inflight_operations_total")
            .help("Operations that ended, by kind, model and outcome.")
            .labelNames("kind", "model", "outcome")
            .register(registry);
    private final Counter failures = Counter.builder()
            .name("inflight_operation_failures_total")
            .help(
                    "Operations that did not do all they should have, by cause; committed ones that missed an engine too.")
            .labelNames("kind", "model", "cause")
            .register(registry);
    private final Histogram seconds = Histogram.builder()
            .name("inflight_update_seconds")
            .help("From acceptance to the end of an update, rollback or join, restoring included.")
            .labelNames("kind", "model", "mode", "outcome")
            .classicOnly()
            .classicUpperBounds(UPDATE_SECONDS)
            .register(registry);
    private final Histogram stall = Histogram.builder()
            .name("inflight_engine_stall_seconds")
            .help("Time that an engine could not serve because of an update that it committed.")
            .labelNames("kind", "model", "mode")
            .classicOnly()
            .classicUpperBounds(STALL_SECONDS)
            .register(registry);
    private final Counter bytes = Counter.builder()
            .name("inflight_update_bytes_total")
            .help(
                    "Bytes that engines loaded (reload), and that joins took (received), of these in vain (resent) and by casts"
                            + " (cast).")
            .labelNames("kind", "model", "stage")
            .register(registry);
    private final Counter restores = Counter.builder()
            .name("inflight_update_restores_total")
            .help("Aborted updates whose engines were to get their former version back, by outcome.")
            .labelNames("model", "outcome")
            .register(registry);
    private final Counter repairs = Counter.builder()
            .name("inflight_update_repairs_total")
            .help("Updates in which hosts stood in for lost owners.")
            .labelNames("model")
            .register(registry);
    private final Counter deadProcesses = Counter.builder()
            .name("inflight_dead_processes_total")
            .help("Silent members that this node downed because their machine refused connections to their port.")
            .register(registry);
    private final Counter refused = Counter.builder()
            .name("inflight_updates_refused_total")
            .help("Updates that were refused because of a limit.")
            .labelNames("model", "limit")
            .register(registry);
    private final FleetGauges fleet = new FleetGauges(registry);

    /** This node's coordinator decides from now on. */
    public void leads() {
        leader.set(1);
    }

    /** It does so no more, and what ran is another's. */
    public void stopped() {
        leader.set(0);
        running.clear();
        fleet.show(Fleet.EMPTY);
    }

    public void observe(Fleet now) {
        fleet.show(now);
        now.workers().values().forEach(worker -> {
            EngineStatus engine = worker.engine();
            if (engine != null) {
                startAtZero(engine.model());
            }
        });
    }

    /** Prometheus sees no increase in a counter whose first value is 1. */
    private void startAtZero(String model) {
        for (String kind : MOVES) {
            ended.initLabelValues(kind, model, "committed");
            ended.initLabelValues(kind, model, "aborted");
        }
        ended.initLabelValues("canary", model, "promoted");
        ended.initLabelValues("canary", model, "reverted");
    }

    /** This node downed a member. */
    public void deadProcess() {
        deadProcesses.inc();
    }

    public void began(String kind) {
        running.labelValues(kind).inc();
    }

    /** An operation that began runs no more, however it ended. */
    public void over(String kind) {
        running.labelValues(kind).dec();
    }

    /** An update of a published version was beyond a limit. */
    public void refused(String model, String limit) {
        refused.labelValues(model, limit).inc();
    }

    /** @param operation as it ended; with a result if it was an update, rollback or join that a session ended */
    public void ended(String model, Operation operation) {
        String json = operation.resultJson();
        JsonNode result = Json.tree(json == null ? "{}" : json);
        String kind = operation.kind();
        ended.labelValues(kind, model, outcome(operation, result)).inc();
        String reason = result.path("reason").asText(operation.error());
        if (operation.state() == OperationReply.State.FAILED || result.hasNonNull("reason")) {
            FailureCause cause = FailureCause.of(reason == null ? "" : reason);
            failures.labelValues(kind, model, cause.label()).inc();
        }
        if (result.has("deliveredBytes")) {
            updateEnded(kind, model, result);
        }
    }

    private void updateEnded(String kind, String model, JsonNode result) {
        String mode = result.path("mode").asText(UNKNOWN);
        String outcome = result.path("outcome").asText();
        seconds.labelValues(kind, model, mode, outcome)
                .observe(result.path("seconds").asDouble());
        for (JsonNode engine : result.path("engines")) {
            JsonNode stallMs = engine.path("stallMs");
            if (stallMs.isNumber()) {
                stall.labelValues(kind, model, mode).observe(stallMs.asDouble() / 1e3);
            }
        }
        count(kind, model, "reload", result.path("deliveredBytes"));
        count(kind, model, "received", result.path("receivedBytes"));
        count(kind, model, "resent", result.path("resentBytes"));
        count(kind, model, "cast", result.path("castBytes"));
        if (result.hasNonNull("restore")) {
            restores.labelValues(model, result.at("/restore/outcome").asText()).inc();
        }
        if (result.hasNonNull("repair")) {
            repairs.labelValues(model).inc();
        }
    }

    private void count(String kind, String model, String stage, JsonNode amount) {
        bytes.labelValues(kind, model, stage).inc(amount.asLong());
    }

    /** Of an update what became of it; of others whether they succeeded. */
    private static String outcome(Operation operation, JsonNode result) {
        return result.path("outcome").asText(operation.state().name().toLowerCase(Locale.ROOT));
    }

    /** All of them in Prometheus' text format 0.0.4, UTF-8. */
    public byte[] text() {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try {
            PrometheusTextFormatWriter.create().write(out, registry.scrape());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return out.toByteArray();
    }
}
