/** Operations as trainers see them: their state, progress and results. */
@NullMarked
package dev.inflight.coordinator.operation;

import org.jspecify.annotations.NullMarked;
