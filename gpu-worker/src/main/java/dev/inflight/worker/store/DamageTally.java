package dev.inflight.worker.store;

import dev.inflight.protocol.cluster.Damage.Place;
import java.util.EnumMap;
import java.util.Map;
import java.util.concurrent.atomic.LongAdder;

/**
 * How often bytes of published checkpoints were found damaged on this host, and how often they were mended; the rest was
 * refused. In blocks; of {@link Place#ENGINE} in updates. Thread-safe.
 */
public final class DamageTally {
    private final Map<Place, LongAdder> found = new EnumMap<>(Place.class);
    private final Map<Place, LongAdder> mended = new EnumMap<>(Place.class);

    public DamageTally() {
        for (var place : Place.values()) {
            found.put(place, new LongAdder());
            mended.put(place, new LongAdder());
        }
    }

    public void addFound(Place place) {
        of(found, place).increment();
    }

    public void addMended(Place place) {
        of(mended, place).increment();
    }

    public long found(Place place) {
        return of(found, place).sum();
    }

    public long mended(Place place) {
        return of(mended, place).sum();
    }

    private static LongAdder of(Map<Place, LongAdder> counts, Place place) {
        var count = counts.get(place);
        if (count == null) {
            throw new IllegalStateException("no count of " + place);
        }
        return count;
    }
}
