package dev.inflight.worker.metrics;

import dev.inflight.protocol.cluster.Damage;
import dev.inflight.protocol.cluster.WorkerEvent.StageReport;
import io.prometheus.metrics.core.metrics.Counter;
import io.prometheus.metrics.core.metrics.CounterWithCallback;
import io.prometheus.metrics.core.metrics.GaugeWithCallback;
import io.prometheus.metrics.expositionformats.PrometheusTextFormatWriter;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.function.LongSupplier;
import java.util.function.ToLongFunction;

/**
 * The metrics of one worker host. Stages are counted once for each update, from its report, and memory is looked at when
 * somebody asks. Thread-safe.
 */
public final class WorkerMetrics {
    private static final double MICROS = 1e6;

    private final PrometheusRegistry registry = new PrometheusRegistry();
    private final Counter updates = Counter.builder()
            .name("inflight_worker_updates_total")
            .help("Updates, rollbacks and joins of this worker that were committed or aborted.")
            .labelNames("worker", "outcome")
            .register(registry);
    private final Counter bytes = Counter.builder()
            .name("inflight_worker_bytes_total")
            .help("Bytes by stage: into landing slots over the network (transfer), loaded by the engine (reload), and"
                    + " taken for joins (received), of these taken in vain (resent) and by casts (cast).")
            .labelNames("worker", "stage")
            .register(registry);
    private final Counter seconds = Counter.builder()
            .name("inflight_worker_stage_seconds_total")
            .help("Time in which a stage of updates was busy; stages overlap.")
            .labelNames("worker", "stage")
            .register(registry);

    /** Shows what a host store has, in bytes: of checkpoints, and ready for the next ones. */
    public void showStore(LongSupplier held, LongSupplier free) {
        GaugeWithCallback.builder()
                .name("inflight_host_store_bytes")
                .help("Memory of the host store that holds shards, or is kept ready for others.")
                .labelNames("state")
                .callback(callback -> {
                    callback.call((double) held.getAsLong(), "held");
                    callback.call((double) free.getAsLong(), "free");
                })
                .register(registry);
    }

    /** Shows how often bytes were found damaged on this host, and mended. */
    public void showDamage(ToLongFunction<Damage.Place> found, ToLongFunction<Damage.Place> mended) {
        CounterWithCallback.builder()
                .name("inflight_damage_found_total")
                .help("Blocks (in engines: updates) that were not what was published, by where they were found: file,"
                        + " store, wire, slot or engine.")
                .labelNames("place")
                .callback(callback -> byPlace(callback, found))
                .register(registry);
        CounterWithCallback.builder()
                .name("inflight_damage_mended_total")
                .help("Those that were mended from another host's store, the files or the host store.")
                .labelNames("place")
                .callback(callback -> byPlace(callback, mended))
                .register(registry);
    }

    private static void byPlace(CounterWithCallback.Callback callback, ToLongFunction<Damage.Place> count) {
        for (var place : Damage.Place.values()) {
            callback.call((double) count.applyAsLong(place), place.label());
        }
    }

    /** Shows what the peer server does. */
    public void showPeers(LongSupplier sentBytes, LongSupplier connections) {
        CounterWithCallback.builder()
                .name("inflight_peer_sent_bytes_total")
                .help("Bytes of buckets, shards and manifests sent to other hosts by TCP or UCX.")
                .callback(callback -> callback.call((double) sentBytes.getAsLong()))
                .register(registry);
        GaugeWithCallback.builder()
                .name("inflight_peer_connections")
                .help("Connections of other hosts to this one's peer server.")
                .callback(callback -> callback.call((double) connections.getAsLong()))
                .register(registry);
    }

    /** A worker has done its part of an update's stream. */
    public void streamed(String worker, StageReport report) {
        bytes.labelValues(worker, "transfer").inc(report.landedBytes());
        bytes.labelValues(worker, "reload").inc(report.loadedBytes());
        bytes.labelValues(worker, "received").inc(report.taken().receivedBytes());
        bytes.labelValues(worker, "resent").inc(report.taken().resentBytes());
        bytes.labelValues(worker, "cast").inc(report.taken().castBytes());
        seconds.labelValues(worker, "h2d").inc(report.h2dMicros() / MICROS);
        seconds.labelValues(worker, "verify").inc(report.verifyMicros() / MICROS);
        seconds.labelValues(worker, "transfer").inc(report.transferMicros() / MICROS);
        seconds.labelValues(worker, "reload").inc(report.reloadMicros() / MICROS);
    }

    public void committed(String worker) {
        updates.labelValues(worker, "committed").inc();
    }

    public void aborted(String worker) {
        updates.labelValues(worker, "aborted").inc();
    }

    /** All of them in Prometheus' text format 0.0.4, UTF-8. */
    public byte[] text() {
        var out = new ByteArrayOutputStream();
        try {
            PrometheusTextFormatWriter.create().write(out, registry.scrape());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return out.toByteArray();
    }
}
