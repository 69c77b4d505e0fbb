/**
 * The coordinator's own code in a simulated world: workers, engines, hosts and the network between them are models, time
 * is simulated, and everything that happens follows from a seed.
 */
@NullMarked
package dev.inflight.coordinator.simulation;

import org.jspecify.annotations.NullMarked;
