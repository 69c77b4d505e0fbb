@NullMarked
package dev.inflight.coordinator.limits;

import org.jspecify.annotations.NullMarked;
