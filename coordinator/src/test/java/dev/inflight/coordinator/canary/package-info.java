@NullMarked
package dev.inflight.coordinator.canary;

import org.jspecify.annotations.NullMarked;
