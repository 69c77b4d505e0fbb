/**
 * Parts of checkpoints that one host casts to the many that join at the same time. Each of these is in a join of its
 * own; what brings them together is that they ask the same host for the same checkpoint. That host waits until enough
 * machines have asked, then casts part after part, each once for all who lack it. Who leaves, dies or stalls is waited
 * for no longer; who misses something takes it over TCP like any joiner.
 */
@NullMarked
package dev.inflight.worker.cast;

import org.jspecify.annotations.NullMarked;
