/** Compares what an engine serves with what was published. */
@NullMarked
package dev.inflight.worker.verify;

import org.jspecify.annotations.NullMarked;
