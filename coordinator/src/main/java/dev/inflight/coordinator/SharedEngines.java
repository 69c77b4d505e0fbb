package dev.inflight.coordinator;

import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.fleet.FleetWorker;
import dev.inflight.protocol.cluster.EngineSelection;
import java.util.BitSet;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** Which selections of engines have some in common, judged by the engines that are there. Decisions only. */
final class SharedEngines {
    private record Selected(String model, String group) {}

    private final Supplier<Fleet> fleets;
    /** Of the fleet seen last, by the places of its workers: updates that wait are compared each with each. */
    private final Map<Selected, BitSet> selections = new HashMap<>();

    private Fleet seen = Fleet.EMPTY;

    SharedEngines(Supplier<Fleet> fleets) {
        this.fleets = fleets;
    }

    /**
     * Whether both are about one of the engines that are there, or are the same selection.
     *
     * @param one see {@link EngineSelection}; null for all engines of the model
     * @param other the same
     */
    boolean areIn(String model, @Nullable String one, @Nullable String other) {
        if (one == null || other == null || one.equals(other)) {
            return true;
        }
        Fleet now = fleets.get();
        if (now != seen) {
            seen = now;
            selections.clear();
        }
        return selected(model, one).intersects(selected(model, other));
    }

    private BitSet selected(String model, String group) {
        return selections.computeIfAbsent(new Selected(model, group), this::select);
    }

    private BitSet select(Selected selected) {
        EngineSelection selection = EngineSelection.of(selected.group());
        BitSet places = new BitSet();
        int place = 0;
        for (FleetWorker worker : seen.workers().values()) {
            places.set(place++, worker.serves(selected.model()) && worker.isIn(selection));
        }
        return places;
    }
}
