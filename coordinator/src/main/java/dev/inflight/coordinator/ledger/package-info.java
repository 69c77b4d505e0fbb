/** What every coordinator remembers: an append-only log of what happened, on disk at each coordinator node. */
@NullMarked
package dev.inflight.coordinator.ledger;

import org.jspecify.annotations.NullMarked;
