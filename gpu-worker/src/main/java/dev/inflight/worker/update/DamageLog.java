package dev.inflight.worker.update;

import dev.inflight.protocol.cluster.Damage;
import dev.inflight.protocol.cluster.WorkerEvent.StageReport;
import dev.inflight.worker.store.CorruptBlockException;
import dev.inflight.worker.store.DamageTally;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** What one update found damaged and mended on this worker. Thread-safe. */
final class DamageLog {
    private final List<Damage> mended = new ArrayList<>();
    private final Map<Integer, Coming> coming = new HashMap<>();

    private record Coming(Damage.Place place, CorruptBlockException what) {}

    synchronized void mended(Damage damage) {
        if (mended.size() < StageReport.MOST_DAMAGE) {
            mended.add(damage);
        }
    }

    /** A bucket came damaged from its owner and is to come from elsewhere. */
    synchronized void awaits(int bucket, Damage.Place place, CorruptBlockException what) {
        coming.put(bucket, new Coming(place, what));
    }

    /**
     * A bucket has come from elsewhere, and is what was published.
     *
     * @param from the hosts that it may have come from
     */
    synchronized void brought(int bucket, List<String> from, DamageTally tally) {
        var damage = coming.remove(bucket);
        if (damage != null) {
            tally.addMended(damage.place());
            mended(damage.what().mended(damage.place(), "stores of " + String.join(", ", from)));
        }
    }

    synchronized List<Damage> all() {
        return List.copyOf(mended);
    }
}
