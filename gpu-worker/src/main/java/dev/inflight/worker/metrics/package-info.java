/** What Prometheus is told of a worker host. */
@NullMarked
package dev.inflight.worker.metrics;

import org.jspecify.annotations.NullMarked;
