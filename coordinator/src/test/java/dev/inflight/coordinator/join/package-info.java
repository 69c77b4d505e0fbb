@NullMarked
package dev.inflight.coordinator.join;

import org.jspecify.annotations.NullMarked;
