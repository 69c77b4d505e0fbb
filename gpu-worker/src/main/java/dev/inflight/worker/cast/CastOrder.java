package dev.inflight.worker.cast;

import dev.inflight.protocol.plan.Part;
import dev.inflight.protocol.plan.ShardParts;
import dev.inflight.worker.store.StoredCheckpoint;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Numbers the parts of a checkpoint in the order in which they are cast: the first of all shards, then the second ones,
 * about as engines load them. A function of the sharding alone, so that all hosts give a part the same number.
 * Immutable.
 */
public final class CastOrder {
    private static final Comparator<Part> ORDER =
            Comparator.comparingInt(Part::index).thenComparingInt(Part::shard);

    private final List<Part> parts;

    private CastOrder(List<Part> parts) {
        this.parts = parts;
    }

    public static CastOrder of(StoredCheckpoint checkpoint) {
        return of(IntStream.range(0, checkpoint.sharding().count())
                .mapToObj(checkpoint::parts)
                .toList());
    }

    static CastOrder of(List<ShardParts> shards) {
        return new CastOrder(shards.stream()
                .flatMap(shard -> shard.parts().stream())
                .sorted(ORDER)
                .toList());
    }

    public int count() {
        return parts.size();
    }

    /** @throws IndexOutOfBoundsException if there is none with this number */
    public Part part(int number) {
        return parts.get(number);
    }

    /** @return negative if it is a run within a part: only whole ones are cast */
    public int number(Part part) {
        int low = 0;
        int high = parts.size() - 1;
        while (low <= high) {
            int middle = (low + high) >>> 1;
            int order = ORDER.compare(parts.get(middle), part);
            if (order == 0) {
                return parts.get(middle).bytes() == part.bytes() ? middle : -1;
            }
            low = order < 0 ? middle + 1 : low;
            high = order < 0 ? high : middle - 1;
        }
        return -1;
    }
}
