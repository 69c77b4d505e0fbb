/** The HTTP API. */
@NullMarked
package dev.inflight.coordinator.http;

import org.jspecify.annotations.NullMarked;
