/** Tests of the metrics, and a reader of Prometheus' text format for others. */
@NullMarked
package dev.inflight.coordinator.metrics;

import org.jspecify.annotations.NullMarked;
