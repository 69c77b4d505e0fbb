package dev.inflight.worker.cast;

import dev.inflight.protocol.plan.Multicast;
import dev.inflight.worker.aeron.AeronNode;
import dev.inflight.worker.aeron.Cast;
import dev.inflight.worker.aeron.CastLostException;
import dev.inflight.worker.aeron.CastOffer;
import dev.inflight.worker.store.PeerAnswers;
import dev.inflight.worker.store.StoreException;
import dev.inflight.worker.store.StoredCheckpoint;
import dev.inflight.worker.transport.PartCasting;
import dev.inflight.worker.transport.PartKey;
import dev.inflight.worker.transport.PeerException;
import dev.inflight.worker.transport.RateLimit;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One cast of a checkpoint's parts: waits for receivers, casts while there are some, then is over for good. Whatever goes
 * wrong ends it for all receivers, who take the rest over TCP. Thread-safe.
 */
final class PartCast {
    private enum State {
        /** Too few machines have asked. */
        GATHERING,
        /** The thread opens the cast, or casts. */
        CASTING,
        OVER
    }

    /** So that the source's limit lets a part through smoothly. */
    private static final long PIECE_BYTES = 256 << 10;

    private static final Logger LOG = LoggerFactory.getLogger(PartCast.class);

    private final PeerAnswers answers;
    private final StoredCheckpoint checkpoint;
    private final CastOrder order;
    private final AeronNode aeron;
    private final RateLimit limit;
    private final Duration patience;
    private final Consumer<PartCast> ended;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private final CastTurns turns = new CastTurns();
    private final List<Receiver> receivers = new ArrayList<>();
    private final Thread thread;
    private State state = State.GATHERING;
    private @Nullable Cast cast;
    private String reason = "";

    /** @param ended run when it is over */
    PartCast(
            PeerAnswers answers,
            StoredCheckpoint checkpoint,
            AeronNode aeron,
            RateLimit limit,
            Duration patience,
            Consumer<PartCast> ended) {
        this.answers = answers;
        this.checkpoint = checkpoint;
        this.order = CastOrder.of(checkpoint);
        this.aeron = aeron;
        this.limit = limit;
        this.patience = patience;
        this.ended = ended;
        this.thread = Thread.ofVirtual()
                .name("part-cast " + checkpoint.ref().model() + " "
                        + checkpoint.ref().version())
                .unstarted(this::run);
    }

    private final class Receiver implements PartCasting {
        private final String machine;

        Receiver(String machine) {
            this.machine = machine;
        }

        @Override
        public CastOffer offer() {
            lock.lock();
            try {
                if (cast == null) {
                    throw new IllegalStateException("offered before it was open");
                }
                return cast.offer();
            } finally {
                lock.unlock();
            }
        }

        @Override
        public void cast(BitSet parts) throws PeerException, InterruptedException {
            requireHeld(parts);
            lock.lock();
            try {
                turns.add(this, parts);
                if (cast != null) {
                    cast.expect();
                }
                changed.signalAll();
                while (state != State.OVER) {
                    changed.await();
                }
                throw new PeerException(reason);
            } finally {
                lock.unlock();
            }
        }

        @Override
        public void close() {
            leave(this);
        }
    }

    /**
     * Waits until enough machines have come.
     *
     * @return null if it is over before that
     * @throws PeerException if it can not be cast
     */
    @Nullable
    PartCasting enter(String machine) throws PeerException, InterruptedException {
        var receiver = new Receiver(machine);
        lock.lock();
        try {
            if (state == State.OVER) {
                return null;
            }
            receivers.add(receiver);
            if (state == State.GATHERING && machines() >= Multicast.LEAST_MACHINES) {
                state = State.CASTING;
                thread.start();
            }
            awaitOpen();
            return receiver;
        } catch (PeerException | InterruptedException e) {
            leave(receiver);
            throw e;
        } finally {
            lock.unlock();
        }
    }

    private void awaitOpen() throws PeerException, InterruptedException {
        while (cast == null) {
            if (state == State.OVER) {
                throw new PeerException(reason);
            }
            changed.await();
        }
    }

    private long machines() {
        return receivers.stream().map(receiver -> receiver.machine).distinct().count();
    }

    private void requireHeld(BitSet parts) throws PeerException {
        if (parts.length() > order.count()) {
            throw new PeerException(
                    "there are " + order.count() + " parts, but part " + (parts.length() - 1) + " is asked for");
        }
        var absent = parts.stream()
                .map(number -> order.part(number).shard())
                .filter(shard -> !checkpoint.holds(shard))
                .findFirst();
        if (absent.isPresent()) {
            throw new PeerException(
                    "shard " + absent.getAsInt() + " of " + checkpoint.key() + " is not held here any more");
        }
    }

    private void leave(Receiver receiver) {
        boolean last = false;
        lock.lock();
        try {
            receivers.remove(receiver);
            turns.remove(receiver);
            if (receivers.isEmpty() && state == State.GATHERING) {
                over("nobody asks any more");
                last = true;
            }
            changed.signalAll();
        } finally {
            lock.unlock();
        }
        if (last) {
            ended.accept(this);
        }
    }

    /** With the lock. */
    private void over(String why) {
        if (state != State.OVER) {
            state = State.OVER;
            reason = why;
        }
        changed.signalAll();
    }

    private void run() {
        var why = "the cast has ended";
        try (var opened = aeron.cast()) {
            begin(opened);
            while (castNext(opened)) {
                // Until nobody receives any more.
            }
        } catch (CastLostException | StoreException | PeerException e) {
            why = "the cast ended: " + e.getMessage();
            LOG.warn("{} {}: {}", checkpoint.ref().model(), checkpoint.ref().version(), why);
        } catch (InterruptedException e) {
            why = "this host is about to stop";
        } catch (RuntimeException e) {
            why = "can not cast: " + e.getMessage();
            LOG.error("{} {}: {}", checkpoint.ref().model(), checkpoint.ref().version(), why, e);
        } finally {
            lock.lock();
            try {
                over(why);
            } finally {
                lock.unlock();
            }
            ended.accept(this);
        }
    }

    private void begin(Cast opened) {
        lock.lock();
        try {
            cast = opened;
            LOG.info(
                    "{} {}: parts are cast to {} machines that join",
                    checkpoint.ref().model(),
                    checkpoint.ref().version(),
                    machines());
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /** @return false if it is over */
    private boolean castNext(Cast opened)
            throws CastLostException, PeerException, StoreException, InterruptedException {
        int turn = awaitTurn();
        if (turn < 0) {
            return false;
        }
        var part = order.part(turn);
        var key = new PartKey(checkpoint.key(), part.shard(), part.offset(), part.bytes());
        try (var bytes = answers.part(key, false, patience)) {
            if (bytes == null) {
                throw new PeerException(key + " is not here any more");
            }
            cast(opened, turn, bytes.bytes());
        }
        return opened.isLive();
    }

    /** @return negative if it is over */
    private int awaitTurn() throws InterruptedException {
        lock.lock();
        try {
            while (true) {
                if (receivers.isEmpty()) {
                    // Under the lock: who comes now finds it over, and begins another one.
                    over("nobody receives any more");
                }
                if (state == State.OVER) {
                    return -1;
                }
                int turn = turns.take();
                if (turn >= 0) {
                    return turn;
                }
                changed.await();
            }
        } finally {
            lock.unlock();
        }
    }

    private void cast(Cast opened, int turn, MemorySegment bytes) throws CastLostException, InterruptedException {
        for (long at = 0; at < bytes.byteSize() && opened.isLive(); at += PIECE_BYTES) {
            var piece = bytes.asSlice(at, Math.min(PIECE_BYTES, bytes.byteSize() - at));
            limit.take(piece.byteSize());
            opened.send(turn, at, piece, patience);
        }
    }

    /** On return it sends nothing any more. */
    void end() {
        lock.lock();
        try {
            over("this host is about to stop");
        } finally {
            lock.unlock();
        }
        // Once it is over it is not started any more.
        if (thread.isAlive()) {
            join();
        }
    }

    private void join() {
        thread.interrupt();
        try {
            thread.join(patience);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
