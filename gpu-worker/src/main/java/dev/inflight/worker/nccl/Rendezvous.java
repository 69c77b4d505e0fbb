package dev.inflight.worker.nccl;

import java.time.Duration;
import java.util.BitSet;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;
import java.util.stream.Collectors;

/**
 * Where the ranks of an update come together to agree on a communicator, in the process of rank 0's worker. Once all
 * have come, all are told the same: the id that they hold if each holds the same, otherwise a new one. Every wait is
 * bounded, and one that ends otherwise ends them all. Thread-safe.
 */
public final class Rendezvous {
    private final Supplier<NcclId> newId;
    private final Duration patience;
    private final Map<Long, Meeting> meetings = new HashMap<>();

    /** It did not come about; the message says why. */
    public static final class Failure extends Exception {
        private static final long serialVersionUID = 1L;

        Failure(String message) {
            super(message);
        }

        Failure(String message, Throwable cause) {
            super(message, cause);
        }
    }

    /** The ranks of one epoch. */
    private static final class Meeting {
        final RankArrival first;
        final BitSet here = new BitSet();
        final CompletableFuture<NcclId> outcome = new CompletableFuture<>();
        boolean allHoldTheSame = true;

        Meeting(RankArrival first) {
            this.first = first;
        }

        boolean isComplete() {
            return here.cardinality() == first.ranks();
        }

        String absent() {
            var missing = new BitSet();
            missing.set(0, first.ranks());
            missing.andNot(here);
            return missing.stream().mapToObj(String::valueOf).collect(Collectors.joining(", "));
        }
    }

    /**
     * @param newId makes an id; its process must live until all ranks have joined
     * @param patience longest wait for the last rank
     */
    public Rendezvous(Supplier<NcclId> newId, Duration patience) {
        this.newId = newId;
        this.patience = patience;
    }

    /**
     * Waits for the other ranks.
     *
     * @throws Failure if they do not all come in time, one of them goes away again, or there is no new id
     */
    public NcclId meet(RankArrival arrival) throws Failure, InterruptedException {
        var meeting = enter(arrival);
        try {
            return meeting.outcome.get(patience.toNanos(), TimeUnit.NANOSECONDS);
        } catch (TimeoutException e) {
            throw giveUp(
                    meeting, "no rank " + absent(meeting) + " came within " + patience.toMillis() + " ms", arrival);
        } catch (InterruptedException e) {
            giveUp(meeting, "rank " + arrival.rank() + " has gone", arrival);
            throw e;
        } catch (ExecutionException e) {
            Throwable cause = e.getCause() == null ? e : e.getCause();
            throw new Failure(String.valueOf(cause.getMessage()), cause);
        }
    }

    private Meeting enter(RankArrival arrival) throws Failure {
        Meeting meeting;
        synchronized (this) {
            meeting = meetings.computeIfAbsent(arrival.epoch(), epoch -> new Meeting(arrival));
            if (!meeting.first.isOfSameGroup(arrival)) {
                throw arrival.refused("the others are " + meeting.first.ranks() + " ranks");
            }
            if (meeting.here.get(arrival.rank())) {
                throw arrival.refused("it is here already");
            }
            meeting.here.set(arrival.rank());
            meeting.allHoldTheSame &= arrival.holds(meeting.first.held());
            if (!meeting.isComplete()) {
                return meeting;
            }
            meetings.remove(arrival.epoch());
        }
        agree(meeting);
        return meeting;
    }

    private void agree(Meeting meeting) {
        try {
            NcclId kept = meeting.allHoldTheSame ? meeting.first.held() : null;
            meeting.outcome.complete(kept == null ? newId.get() : kept);
        } catch (NcclException e) {
            meeting.outcome.completeExceptionally(e);
        }
    }

    /** Whether a rank waits for others. */
    public synchronized boolean isHere(long epoch, int rank) {
        var meeting = meetings.get(epoch);
        return meeting != null && meeting.here.get(rank);
    }

    private synchronized String absent(Meeting meeting) {
        return meeting.absent();
    }

    private synchronized Failure giveUp(Meeting meeting, String why, RankArrival arrival) {
        meetings.remove(arrival.epoch(), meeting);
        var failure = arrival.refused(why);
        meeting.outcome.completeExceptionally(failure);
        return failure;
    }
}
