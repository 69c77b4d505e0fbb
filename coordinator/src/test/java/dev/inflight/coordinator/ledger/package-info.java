@NullMarked
package dev.inflight.coordinator.ledger;

import org.jspecify.annotations.NullMarked;
