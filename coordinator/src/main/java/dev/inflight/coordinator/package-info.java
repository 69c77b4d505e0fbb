/** The cluster singleton that decides: versions, membership, updates. It never carries a weight byte. */
@NullMarked
package dev.inflight.coordinator;

import org.jspecify.annotations.NullMarked;
