/** Memory that buckets land in. */
@NullMarked
package dev.inflight.worker.device;

import org.jspecify.annotations.NullMarked;
