/** How often, how much and how many at a time: what updates of a model or a tenant are held to, and who waits. */
@NullMarked
package dev.inflight.coordinator.limits;

import org.jspecify.annotations.NullMarked;
