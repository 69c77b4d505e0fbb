@NullMarked
package dev.inflight.coordinator.update;

import org.jspecify.annotations.NullMarked;
