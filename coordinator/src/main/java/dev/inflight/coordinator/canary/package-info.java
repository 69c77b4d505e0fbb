/** Versions that part of the engines try before the others get them. */
@NullMarked
package dev.inflight.coordinator.canary;

import org.jspecify.annotations.NullMarked;
