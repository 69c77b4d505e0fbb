/** Comparing what engines hold with the manifest of the version they serve. */
@NullMarked
package dev.inflight.coordinator.verify;

import org.jspecify.annotations.NullMarked;
