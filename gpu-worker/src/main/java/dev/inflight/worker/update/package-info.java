/** One update on one worker: its stages, slots and life. */
@NullMarked
package dev.inflight.worker.update;

import org.jspecify.annotations.NullMarked;
