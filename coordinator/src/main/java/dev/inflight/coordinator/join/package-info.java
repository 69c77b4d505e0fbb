/** Which engines are to be brought to their model's current version, and when. */
@NullMarked
package dev.inflight.coordinator.join;

import org.jspecify.annotations.NullMarked;
