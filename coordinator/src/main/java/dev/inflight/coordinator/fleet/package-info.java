/** Which hosts, workers and engines there are, as their own reports and the cluster's membership say. */
@NullMarked
package dev.inflight.coordinator.fleet;

import org.jspecify.annotations.NullMarked;
