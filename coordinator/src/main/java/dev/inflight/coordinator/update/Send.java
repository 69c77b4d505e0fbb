package dev.inflight.coordinator.update;

import java.util.SortedSet;
import org.jspecify.annotations.Nullable;

/**
 * An order to some of an attempt's members.
 *
 * @param about who is to be dropped; null with other orders
 */
record Send(
        Order order, SortedSet<String> workers, @Nullable String about) {
    enum Order {
        PREPARE,
        BEGIN,
        STREAM,
        /** One of the members is held up: that nothing moves is no stall. */
        HOLD_ON,
        /** One of the members, which may have been dropped, takes nothing more. */
        DROP,
        /** To nobody: whether the coordinator still decides is to be found out. */
        CONFIRM,
        COMMIT,
        ABORT
    }
}
