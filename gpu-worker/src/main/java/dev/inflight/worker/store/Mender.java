package dev.inflight.worker.store;

import dev.inflight.protocol.checkpoint.CheckpointException;
import dev.inflight.protocol.cluster.Damage;
import dev.inflight.protocol.cluster.Damage.Place;
import dev.inflight.protocol.cluster.LeaseId;
import dev.inflight.protocol.plan.Membership;
import dev.inflight.protocol.plan.Part;
import dev.inflight.worker.transport.PartKey;
import dev.inflight.worker.transport.PartReader;
import dev.inflight.worker.transport.PeerException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Puts right what is damaged in this host's arenas: takes the part that holds it out of another host's store, or else out
 * of the checkpoint's files, and writes it over once it is found to be what was published. Whoever reads there meanwhile
 * reads right bytes or the damage, nothing worse.
 *
 * <p>A shard that nobody gives is given up: it is not held here any more, so it is served to nobody, and the coordinator
 * has it brought back like one that was lost. Thread-safe; a part is mended by one thread at a time.
 */
final class Mender {
    private static final Logger LOG = LoggerFactory.getLogger(Mender.class);

    private final CheckpointRoots roots;
    private final Duration peerTimeout;
    private final DamageTally tally;
    private final BiConsumer<StoredCheckpoint, Integer> giveUp;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition left = lock.newCondition();
    private final Set<Key> mending = new HashSet<>();

    /** A part of a checkpoint. */
    private record Key(String checkpoint, long part) {}

    /** Right bytes and where they are from. */
    private record Found(MemorySegment bytes, String from) {}

    /**
     * @param peerTimeout longest silence of another host
     * @param giveUp makes a shard of a checkpoint not be held any more
     */
    Mender(
            CheckpointRoots roots,
            Duration peerTimeout,
            DamageTally tally,
            BiConsumer<StoredCheckpoint, Integer> giveUp) {
        this.roots = roots;
        this.peerTimeout = peerTimeout;
        this.tally = tally;
        this.giveUp = giveUp;
    }

    /**
     * Mends those of some parts that are held here and damaged.
     *
     * @return what was; empty if all are whole
     * @throws StoreException naming the damage and what became of each source, if one can not be mended
     */
    List<Damage> mend(StoredCheckpoint checkpoint, Collection<Part> parts) throws InterruptedException {
        var mended = new ArrayList<Damage>();
        for (var part : parts) {
            var key = new Key(checkpoint.key(), part.id());
            enter(key);
            try {
                mendNow(checkpoint, part).ifPresent(mended::add);
            } finally {
                leave(key);
            }
        }
        return mended;
    }

    /**
     * The same for one part that a peer asks for.
     *
     * @return false if it is being mended already; this does not wait, since that may itself wait for the very peer
     * @throws StoreException as {@link #mend}
     */
    boolean mendForPeer(StoredCheckpoint checkpoint, Part part) throws InterruptedException {
        var key = new Key(checkpoint.key(), part.id());
        if (!enterNow(key)) {
            return false;
        }
        try {
            mendNow(checkpoint, part);
            return true;
        } finally {
            leave(key);
        }
    }

    private void enter(Key key) throws InterruptedException {
        lock.lockInterruptibly();
        try {
            while (!mending.add(key)) {
                left.await();
            }
        } finally {
            lock.unlock();
        }
    }

    private boolean enterNow(Key key) {
        lock.lock();
        try {
            return mending.add(key);
        } finally {
            lock.unlock();
        }
    }

    private void leave(Key key) {
        lock.lock();
        try {
            mending.remove(key);
            left.signalAll();
        } finally {
            lock.unlock();
        }
    }

    private Optional<Damage> mendNow(StoredCheckpoint checkpoint, Part part) throws InterruptedException {
        var damage = checkpoint.damage(part);
        return damage == null ? Optional.empty() : Optional.of(mend(checkpoint, part, damage));
    }

    private Damage mend(StoredCheckpoint checkpoint, Part part, CorruptBlockException damage)
            throws InterruptedException {
        tally.addFound(Place.STORE);
        var said = new ArrayList<String>();
        try (var arena = Arena.ofShared()) {
            var right = right(checkpoint, part, arena.allocate(part.bytes()), said);
            if (Thread.interrupted()) {
                throw new InterruptedException("interrupted while mending " + part);
            }
            if (right != null && checkpoint.overwrite(part, right.bytes())) {
                tally.addMended(Place.STORE);
                LOG.warn("mended from {}: {}", right.from(), damage.getMessage());
                return damage.mended(Place.STORE, right.from());
            }
        }
        if (checkpoint.damage(part) == null) {
            tally.addMended(Place.STORE);
            return damage.mended(Place.STORE, "a copy that was loaded meanwhile");
        }
        giveUp.accept(checkpoint, part.shard());
        var message = damage.getMessage() + "; it can not be mended, so shard " + part.shard()
                + " is not served any more: "
                + (said.isEmpty() ? "it lies in files of others, which are not written to" : String.join("; ", said));
        LOG.error(message);
        throw new StoreException(message, damage);
    }

    private @Nullable Found right(StoredCheckpoint checkpoint, Part part, MemorySegment into, List<String> said) {
        for (var host : checkpoint.others()) {
            if (!host.name().equals(checkpoint.host()) && host.holds(part.shard())) {
                try {
                    read(checkpoint, part, host, into);
                    return new Found(into, "host " + host.name());
                } catch (PeerException | CorruptBlockException e) {
                    said.add("host " + host.name() + ": " + e.getMessage());
                }
            }
        }
        try {
            readFiles(checkpoint, part, into);
            return new Found(into, checkpoint.ref().source());
        } catch (CorruptBlockException e) {
            tally.addFound(Place.FILE);
            said.add("files in " + checkpoint.ref().source() + ": " + e.getMessage());
        } catch (CheckpointException e) {
            said.add("files: " + e.getMessage());
        }
        return null;
    }

    private void read(StoredCheckpoint checkpoint, Part part, Membership.Host host, MemorySegment into)
            throws PeerException {
        try (var reader = PartReader.connect(host.endpoint(), "", peerTimeout, peerTimeout)) {
            reader.request(new PartKey(checkpoint.key(), part.shard(), part.offset(), part.bytes()));
            if (!reader.read(into, more -> {})) {
                throw new PeerException("it has not all of part " + part.index() + " of shard " + part.shard());
            }
        }
        checkpoint.check(part, into);
    }

    private void readFiles(StoredCheckpoint checkpoint, Part part, MemorySegment into) {
        var source = checkpoint.ref().source();
        if (LeaseId.ofSource(source) != null) {
            throw new CheckpointException(source, "was written by a trainer and has no files");
        }
        try (var files = CheckpointFiles.open(Path.of(source), roots)) {
            if (!files.layout().equals(checkpoint.layout())) {
                throw new CheckpointException(source, "is not what was published any more");
            }
            for (var placement : part.placements()) {
                files.read(placement.slice(), into, placement.offset());
            }
        }
        checkpoint.check(part, into);
    }
}
