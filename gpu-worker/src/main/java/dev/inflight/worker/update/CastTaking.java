package dev.inflight.worker.update;

import dev.inflight.protocol.plan.Multicast;
import dev.inflight.protocol.plan.Part;
import dev.inflight.worker.aeron.CastLostException;
import dev.inflight.worker.cast.CastOrder;
import dev.inflight.worker.cast.CastSources;
import dev.inflight.worker.store.CorruptBlockException;
import dev.inflight.worker.store.StoredCheckpoint;
import dev.inflight.worker.transport.PartCastReader;
import dev.inflight.worker.transport.PeerException;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.BitSet;
import java.util.List;
import java.util.Objects;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What comes of a replication by casts. Each source is asked, for as long as the replication runs, to cast what it holds;
 * once it does, since enough machines ask, the parts that were not asked for over TCP yet are taken from its cast.
 * Whatever a cast does not bring is then taken over TCP.
 */
final class CastTaking {
    /** Longest time in which nothing is asked for over TCP although a cast is there and has only to be joined. */
    private static final Duration JOINING = Duration.ofSeconds(1);

    private static final Logger LOG = LoggerFactory.getLogger(CastTaking.class);

    private final StoredCheckpoint checkpoint;
    private final CastOrder order;
    private final List<Part> parts;
    private final Pulls pulls;
    private final CastSources choice;
    private final String machine;
    private final JoinSettings.Casts casts;
    private final Duration peerTimeout;
    private final Duration silence;
    private final Destination destination;

    /** Sources that cast, or that never will. */
    private final CountDownLatch answered;

    /** Sources whose casts are received, or never will be. */
    private final CountDownLatch joined;

    /** Where parts go that come by casts; parts are named by their position. */
    interface Destination {
        MemorySegment target(int part);

        /**
         * All of a part has been cast here.
         *
         * @throws CorruptBlockException if it is not what was published; it has not come then
         */
        void cast(int part, String host);
    }

    /**
     * @param parts what is missing here
     * @param pulls the same, as it is taken over TCP
     * @param choice whom to ask
     * @param machine identity of this machine
     * @param peerTimeout longest silence of a source
     * @param silence longest time in which a source lives but casts nothing
     */
    CastTaking(
            StoredCheckpoint checkpoint,
            CastOrder order,
            List<Part> parts,
            Pulls pulls,
            CastSources choice,
            String machine,
            JoinSettings.Casts casts,
            Duration peerTimeout,
            Duration silence,
            Destination destination) {
        this.checkpoint = checkpoint;
        this.order = order;
        this.parts = parts;
        this.pulls = pulls;
        this.choice = choice;
        this.machine = machine;
        this.casts = casts;
        this.peerTimeout = peerTimeout;
        this.silence = silence;
        this.destination = destination;
        this.answered = new CountDownLatch(choice.sources().size());
        this.joined = new CountDownLatch(choice.sources().size());
    }

    /**
     * Begins to ask, and returns when casts are received or it does not pay to wait for them any longer.
     *
     * @param threads one for each source, interrupted when everything is here
     */
    void begin(Executor threads) throws InterruptedException {
        if (choice.sources().isEmpty()) {
            log("nothing is cast to this join: " + choice.reason());
            return;
        }
        choice.sources().forEach(source -> threads.execute(() -> take(source)));
        if (!answered.await(casts.gather().toNanos(), TimeUnit.NANOSECONDS)) {
            log("parts come over TCP until " + Multicast.LEAST_MACHINES
                    + " machines join: fewer have asked for casts within "
                    + casts.gather().toMillis() + " ms");
        }
        if (answered.getCount() < choice.sources().size()) {
            joined.await(JOINING.toNanos(), TimeUnit.NANOSECONDS);
        }
    }

    private void take(CastSources.Source source) {
        var name = source.host().name();
        // Positions of the parts that are to come, by their numbers.
        var expected = new TreeMap<Integer, Integer>();
        try (var reader = PartCastReader.connect(source.host().endpoint(), peerTimeout)) {
            var offer = reader.await(checkpoint.key(), machine);
            answered.countDown();
            reader.join(casts.aeron(), offer, choice.sources().size());
            pulls.reserve(part ->
                            source.shards().contains(parts.get(part).shard()) && order.number(parts.get(part)) >= 0)
                    .forEach(part -> expected.put(order.number(parts.get(part)), part));
            joined.countDown();
            if (!expected.isEmpty()) {
                log("takes " + expected.size() + " parts from the cast of host " + name);
                receive(reader, expected, name);
            }
        } catch (PeerException | CastLostException e) {
            lost(expected.size(), name, e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (RuntimeException e) {
            pulls.fail(e);
        } finally {
            pulls.giveBack(expected.values());
            answered.countDown();
            joined.countDown();
        }
    }

    private void receive(PartCastReader reader, SortedMap<Integer, Integer> expected, String source)
            throws PeerException, CastLostException, InterruptedException {
        var numbers = new BitSet();
        expected.keySet().forEach(numbers::set);
        reader.want(numbers);
        while (!expected.isEmpty()) {
            int number = reader.next(
                    any -> {
                        var part = expected.get(any);
                        return part == null ? null : destination.target(part);
                    },
                    silence);
            int part = Objects.requireNonNull(expected.remove(number));
            try {
                destination.cast(part, source);
                pulls.landed(part);
            } catch (CorruptBlockException e) {
                LOG.warn("{}: host {} cast a bad part: {}", name(), source, e.getMessage());
                pulls.giveBack(List.of(part));
            }
        }
    }

    private void lost(int missing, String source, Exception reason) {
        // Interrupted threads are of a replication that has ended.
        if (!Thread.currentThread().isInterrupted()) {
            LOG.warn("{}: {} parts of host {} are not cast any more: {}", name(), missing, source, reason.getMessage());
        }
    }

    private void log(String message) {
        LOG.info("{}: {}", name(), message);
    }

    private String name() {
        return checkpoint.ref().model() + " " + checkpoint.ref().version();
    }
}
