package dev.inflight.worker.transport;

import dev.inflight.protocol.cluster.BandwidthLimit;
import java.util.List;
import java.util.function.BooleanSupplier;

/**
 * What a source is told to keep to on a connection, beside its own limit, and who hears that it has this side wait for
 * its turn.
 *
 * @param limits those that what it sends counts under
 * @param heldUp called on the reading thread about twice a second while this side waits; must not block. False if the wait
 *     shall count as one for a source that gives nothing
 */
public record SourcePace(List<BandwidthLimit> limits, BooleanSupplier heldUp) {
    /** As fast as the source itself allows. */
    public static final SourcePace NONE = new SourcePace(List.of(), () -> false);

    public SourcePace {
        limits = List.copyOf(limits);
    }
}
