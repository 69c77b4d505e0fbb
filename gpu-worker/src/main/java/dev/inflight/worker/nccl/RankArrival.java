package dev.inflight.worker.nccl;

import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A rank that comes to the {@link Rendezvous} of an update.
 *
 * @param epoch the update's
 * @param ranks how many are to come, from 2 to {@link #MOST_RANKS}
 * @param rank this one, from 0
 * @param held id of the communicator that it kept from an earlier update of the same members, null if it has none
 */
public record RankArrival(
        long epoch, int ranks, int rank, @Nullable NcclId held) {
    public static final int MOST_RANKS = 4096;

    /** @throws IllegalArgumentException if a number is out of its range */
    public RankArrival {
        if (ranks < 2 || ranks > MOST_RANKS) {
            throw new IllegalArgumentException(ranks + " ranks are outside 2 to " + MOST_RANKS);
        }
        if (rank < 0 || rank >= ranks) {
            throw new IllegalArgumentException("there is no rank " + rank + " of " + ranks);
        }
    }

    Rendezvous.Failure refused(String why) {
        return new Rendezvous.Failure("rank " + rank + " of " + ranks + " in epoch " + epoch + ": " + why);
    }

    boolean isOfSameGroup(RankArrival other) {
        return epoch == other.epoch && ranks == other.ranks;
    }

    boolean holds(@Nullable NcclId id) {
        return held != null && Objects.equals(held, id);
    }
}
