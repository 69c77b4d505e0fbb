package dev.inflight.worker.update;

import dev.inflight.protocol.cluster.Damage;
import dev.inflight.protocol.cluster.WorkerEvent.StageReport;
import dev.inflight.worker.store.CorruptBlockException;
import dev.inflight.worker.store.DamageTally;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * What one update found damaged and mended on this worker, beside its host's count of it. What comes from elsewhere is
 * named by the bucket's number, or in a join by the part's. Thread-safe.
 */
final class DamageLog {
    private final DamageTally tally;
    private final List<Damage> mended = new ArrayList<>();
    private final Map<Integer, List<Coming>> coming = new HashMap<>();

    private record Coming(Damage.Place place, CorruptBlockException what) {}

    /** @param tally of the host */
    DamageLog(DamageTally tally) {
        this.tally = tally;
    }

    synchronized void mended(Damage damage) {
        if (mended.size() < StageReport.MOST_DAMAGE) {
            mended.add(damage);
        }
    }

    /** A bucket or part came damaged and is to come from elsewhere, or once more. */
    synchronized void awaits(int piece, Damage.Place place, CorruptBlockException what) {
        tally.addFound(place);
        coming.computeIfAbsent(piece, any -> new ArrayList<>()).add(new Coming(place, what));
    }

    /**
     * A bucket or part has come, and is what was published.
     *
     * @param from what it came from, for people
     */
    synchronized void brought(int piece, String from) {
        var damages = coming.remove(piece);
        if (damages != null) {
            for (var damage : damages) {
                tally.addMended(damage.place());
                mended(damage.what().mended(damage.place(), from));
            }
        }
    }

    synchronized List<Damage> all() {
        return List.copyOf(mended);
    }
}
