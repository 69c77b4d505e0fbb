/** What the sessions of operations tell the coordinator that started them. */
@NullMarked
package dev.inflight.coordinator.session;

import org.jspecify.annotations.NullMarked;
