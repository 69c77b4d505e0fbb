/** The host store: checkpoint files, their bytes in memory, and the sums of those bytes. */
@NullMarked
package dev.inflight.worker.store;

import org.jspecify.annotations.NullMarked;
