/** Making a checkpoint known and loading it into the host stores. */
@NullMarked
package dev.inflight.coordinator.publish;

import org.jspecify.annotations.NullMarked;
