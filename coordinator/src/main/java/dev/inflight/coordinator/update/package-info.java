/** One update of a model's engines: the decisions, and the actor that carries them out. */
@NullMarked
package dev.inflight.coordinator.update;

import org.jspecify.annotations.NullMarked;
