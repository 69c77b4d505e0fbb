package dev.inflight.worker.update;

import dev.inflight.protocol.checkpoint.CheckpointException;
import dev.inflight.protocol.cluster.BandwidthLimit;
import dev.inflight.protocol.cluster.LeaseId;
import dev.inflight.protocol.plan.JoinPlanner;
import dev.inflight.protocol.plan.Membership;
import dev.inflight.protocol.plan.Part;
import dev.inflight.worker.cast.CastOrder;
import dev.inflight.worker.cast.CastSources;
import dev.inflight.worker.store.CheckpointFiles;
import dev.inflight.worker.store.CorruptBlockException;
import dev.inflight.worker.store.Need;
import dev.inflight.worker.store.Replica;
import dev.inflight.worker.store.StoredCheckpoint;
import dev.inflight.worker.transport.DamagedChunkException;
import dev.inflight.worker.transport.PartKey;
import dev.inflight.worker.transport.PartReader;
import dev.inflight.worker.transport.PeerException;
import dev.inflight.worker.transport.SourcePace;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Brings the parts that a host misses of a checkpoint, from other hosts and at last from the checkpoint's own files. A
 * source that goes away, is silent or gives a part that is not what was published is asked for nothing more; the others
 * take its parts over.
 */
final class Replication implements Callable<Void> {
    /** Parts that one reader asks for at a time, so that a source always knows the next one. */
    private static final int AHEAD = 4;

    private static final Logger LOG = LoggerFactory.getLogger(Replication.class);

    private final StoredCheckpoint checkpoint;
    private final Replica replica;
    private final Need need;
    private final Membership.Host receiver;
    private final List<Membership.Host> hosts;
    private final JoinSettings settings;
    private final Duration peerTimeout;
    private final List<BandwidthLimit> limits;
    private final StageTimes times;
    private final Runnable moved;

    /**
     * @param need what is to come
     * @param receiver this host
     * @param hosts hosts that may have some of it
     * @param peerTimeout longest silence of a source
     * @param limits what sources keep to, beside their own
     * @param moved run when some bytes have come; must not block
     */
    Replication(
            StoredCheckpoint checkpoint,
            Replica replica,
            Need need,
            Membership.Host receiver,
            List<Membership.Host> hosts,
            JoinSettings settings,
            Duration peerTimeout,
            List<BandwidthLimit> limits,
            StageTimes times,
            Runnable moved) {
        this.checkpoint = checkpoint;
        this.replica = replica;
        this.need = need;
        this.receiver = receiver;
        this.hosts = hosts;
        this.settings = settings;
        this.peerTimeout = peerTimeout;
        this.limits = limits;
        this.times = times;
        this.moved = moved;
    }

    /** @throws UpdateException naming a part that can not be had, and what became of each source */
    @Override
    public Void call() throws InterruptedException {
        replica.lead();
        try {
            var missing = replica.missing(need.parts());
            long begin = System.nanoTime();
            var pulls = new Pulls(JoinPlanner.plan(missing, receiver, hosts), settings.connections());
            pull(pulls, new PartArrivals(checkpoint, replica, missing, times, moved));
            times.transferNanos.add(System.nanoTime() - begin);
            replica.satisfied(need);
            return null;
        } finally {
            replica.endLead();
        }
    }

    /** On return no reader runs any more, however it ends. */
    private void pull(Pulls pulls, PartArrivals arrivals) throws InterruptedException {
        try (var readers = Executors.newThreadPerTaskExecutor(
                Thread.ofVirtual().name("join-reader-", 0).factory())) {
            try {
                var casts = settings.casts();
                if (casts != null && !arrivals.parts().isEmpty()) {
                    taking(casts, pulls, arrivals).begin(readers);
                }
                while (true) {
                    switch (pulls.next()) {
                        case Pulls.Next.Read read -> readers.execute(() -> read(pulls, arrivals, read.source()));
                        case Pulls.Next.WithoutSource left -> fromFiles(pulls, arrivals, left.parts());
                        case Pulls.Next.Done done -> {
                            return;
                        }
                    }
                }
            } finally {
                readers.shutdownNow();
            }
        }
    }

    private CastTaking taking(JoinSettings.Casts casts, Pulls pulls, PartArrivals arrivals) {
        var order = CastOrder.of(checkpoint);
        var parts = arrivals.parts();
        boolean everything =
                need.parts().size() == order.count() && need.parts().stream().allMatch(part -> order.number(part) >= 0);
        var lacking = parts.stream().map(Part::shard).collect(Collectors.toSet());
        var place = receiver.place().machine();
        return new CastTaking(
                checkpoint,
                order,
                parts,
                pulls,
                limits.isEmpty()
                        ? CastSources.of(receiver, hosts, everything, lacking)
                        : CastSources.none("a limit of bandwidth holds for it, which counts what goes to each host"),
                place.isEmpty() ? "host " + receiver.name() : place,
                casts,
                peerTimeout,
                settings.partTimeout(),
                arrivals);
    }

    private void read(Pulls pulls, PartArrivals arrivals, Membership.Host source) {
        var asked = new ArrayDeque<Integer>();
        PartReader reader = null;
        try {
            reader = PartReader.connect(
                    source.endpoint(),
                    settings.machine(),
                    settings.ucx(),
                    peerTimeout,
                    settings.partTimeout(),
                    new SourcePace(limits, () -> heldUp(pulls, source, asked)));
            if (pulls.opened(source.name(), reader)) {
                readAll(pulls, arrivals, source, reader, asked);
            }
        } catch (PeerException e) {
            drop(pulls, source, String.valueOf(e.getMessage()));
        } catch (CorruptBlockException e) {
            drop(pulls, source, "gave a bad part: " + e.getMessage());
        } catch (RuntimeException e) {
            pulls.fail(e);
        } finally {
            if (reader != null) {
                reader.close();
            }
            pulls.ended(source.name(), reader, asked);
        }
    }

    /**
     * A source has a reader wait for its turn, which is no stall. All hosts keep to the limits of a model or tenant; but one
     * that is slow of its own accord is given up like any that gives nothing, if another holds what was asked for.
     *
     * @return whether the reader shall wait for as long as it takes
     */
    private boolean heldUp(Pulls pulls, Membership.Host source, ArrayDeque<Integer> asked) {
        replica.heldUp();
        var next = asked.peek();
        return !limits.isEmpty() || next == null || !pulls.isHeldElsewhere(source.name(), next);
    }

    private void readAll(
            Pulls pulls, PartArrivals arrivals, Membership.Host source, PartReader reader, ArrayDeque<Integer> asked)
            throws PeerException {
        while (true) {
            ask(pulls, arrivals, source, reader, asked);
            var next = asked.peek();
            if (next == null) {
                return;
            }
            boolean given = read(next, arrivals, source.name(), reader);
            asked.remove();
            if (given) {
                pulls.landed(next);
            } else {
                replica.moved();
                pulls.absent(source.name(), next);
            }
        }
    }

    /** @return false if the source does not have it */
    private boolean read(int part, PartArrivals arrivals, String source, PartReader reader) throws PeerException {
        long[] got = {0};
        boolean landed = false;
        try {
            boolean given = reader.read(arrivals.target(part), bytes -> {
                got[0] += bytes;
                arrivals.came(bytes);
            });
            if (given) {
                arrivals.given(part, source);
            }
            landed = true;
            return given;
        } catch (DamagedChunkException e) {
            arrivals.damaged(part, e);
            throw e;
        } finally {
            arrivals.wasted(landed ? 0 : got[0]);
        }
    }

    private void ask(
            Pulls pulls, PartArrivals arrivals, Membership.Host source, PartReader reader, ArrayDeque<Integer> asked)
            throws PeerException {
        while (asked.size() < AHEAD) {
            int more = pulls.poll(source.name());
            if (more < 0) {
                return;
            }
            asked.add(more);
            var part = arrivals.parts().get(more);
            reader.request(new PartKey(checkpoint.key(), part.shard(), part.offset(), part.bytes()));
        }
    }

    private void drop(Pulls pulls, Membership.Host source, String reason) {
        replica.moved();
        // Interrupted readers are of a replication that has ended.
        if (pulls.drop(source.name(), reason) && !Thread.currentThread().isInterrupted()) {
            LOG.warn(
                    "{} {}: takes nothing more from host {}: {}",
                    checkpoint.ref().model(),
                    checkpoint.ref().version(),
                    source.name(),
                    reason);
        }
    }

    /** The last resort; a host that sees the files needs no other for them. */
    private void fromFiles(Pulls pulls, PartArrivals arrivals, List<Integer> left) throws InterruptedException {
        var path = checkpoint.ref().source();
        Part part = arrivals.parts().get(left.getFirst());
        if (LeaseId.ofSource(path) != null) {
            throw lost(
                    pulls,
                    part,
                    left.size(),
                    new CheckpointException(path, "was written by a trainer and has no files"));
        }
        try (var files = CheckpointFiles.open(Path.of(path), settings.roots())) {
            if (!files.layout().equals(checkpoint.layout())) {
                throw new CheckpointException(path, "is not what was published any more");
            }
            for (int position : left) {
                if (Thread.interrupted()) {
                    throw new InterruptedException("interrupted while reading " + path);
                }
                part = arrivals.parts().get(position);
                readFile(files, part, arrivals.target(position));
                arrivals.read(position, path);
                pulls.landed(position);
            }
        } catch (CheckpointException | CorruptBlockException e) {
            throw lost(pulls, part, left.size(), e);
        }
    }

    private static void readFile(CheckpointFiles files, Part part, MemorySegment target) {
        for (var placement : part.placements()) {
            files.read(placement.slice(), target, placement.offset());
        }
    }

    private UpdateException lost(Pulls pulls, Part part, int parts, RuntimeException files) {
        var name = checkpoint
                .layout()
                .tensors()
                .get(part.placements().getFirst().slice().tensor())
                .name();
        var reasons = pulls.reasons();
        return new UpdateException(
                "%d parts of %s %s can not be had, first part %d of shard %d with tensor \"%s\"; hosts: %s; files: %s"
                        .formatted(
                                parts,
                                checkpoint.ref().model(),
                                checkpoint.ref().version(),
                                part.index(),
                                part.shard(),
                                name,
                                reasons.isEmpty() ? "none has it" : String.join("; ", reasons),
                                files.getMessage()),
                null,
                files);
    }
}
