/** What Prometheus is told of updates, engines and the coordinator. */
@NullMarked
package dev.inflight.coordinator.metrics;

import org.jspecify.annotations.NullMarked;
