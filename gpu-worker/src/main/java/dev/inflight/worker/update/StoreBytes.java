package dev.inflight.worker.update;

import dev.inflight.protocol.plan.Bucket;
import dev.inflight.protocol.plan.Membership;
import dev.inflight.protocol.plan.Part;
import dev.inflight.protocol.plan.Placement;
import dev.inflight.protocol.plan.ShardParts;
import dev.inflight.protocol.plan.Slice;
import dev.inflight.worker.store.CorruptBlockException;
import dev.inflight.worker.store.StoredCheckpoint;
import dev.inflight.worker.transport.PartKey;
import dev.inflight.worker.transport.PartReader;
import dev.inflight.worker.transport.PeerException;
import dev.inflight.worker.transport.SourcePace;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Puts buckets together from host stores: from this host's own where the shard is there, otherwise from the parts that
 * contain them, of which others give whole ones. For one thread.
 */
final class StoreBytes implements AutoCloseable {
    /** Neighbouring buckets share a part; those of an owner with several shards take turns between them. */
    private static final int KEPT_PARTS = 4;

    private final StoredCheckpoint checkpoint;
    private final JoinSettings settings;
    private final Duration peerTimeout;
    private final SourcePace pace;
    private final Arena arena = Arena.ofAuto();
    private final Map<String, PartReader> readers = new HashMap<>();
    private final List<Kept> kept = new ArrayList<>();
    private final List<MemorySegment> free = new ArrayList<>();

    private record Kept(Part part, MemorySegment memory) {}

    /**
     * @param peerTimeout longest silence of a host
     * @param pace what hosts keep to
     */
    StoreBytes(StoredCheckpoint checkpoint, JoinSettings settings, Duration peerTimeout, SourcePace pace) {
        this.pace = pace;
        this.checkpoint = checkpoint;
        this.settings = settings;
        this.peerTimeout = peerTimeout;
    }

    /**
     * Fills {@code to} with a bucket as it lies in a slot; padding is left as it is.
     *
     * @param hosts which hosts hold which shards
     * @return bytes that other hosts gave
     * @throws PeerException naming what each host said, if a part can not be had from any; asked again, this goes on
     *     with hosts that are to be reached
     */
    long copy(Bucket bucket, MemorySegment to, List<Membership.Host> hosts) throws PeerException {
        var wanted = bucket.placements().stream()
                .collect(Collectors.groupingBy(placement -> placement.slice().tensor()));
        long given = 0;
        for (var part : checkpoint.parts(List.of(bucket))) {
            if (checkpoint.holds(part.shard())) {
                copy(part, wanted, to, (slice, at) -> checkpoint.bytes(slice));
                continue;
            }
            var known = find(part);
            if (known == null) {
                known = fetch(part, hosts);
                given += part.bytes();
            }
            var memory = known.memory();
            copy(part, wanted, to, (slice, at) -> memory.asSlice(at, slice.bytes()));
        }
        return given;
    }

    private interface Source {
        /** @param at the slice's first byte in the part */
        MemorySegment bytes(Slice slice, long at);
    }

    private static void copy(Part part, Map<Integer, List<Placement>> wanted, MemorySegment to, Source source) {
        for (var has : part.placements()) {
            for (var wants : wanted.getOrDefault(has.slice().tensor(), List.of())) {
                long begin = Math.max(has.slice().begin(), wants.slice().begin());
                long end = Math.min(has.slice().end(), wants.slice().end());
                if (begin < end) {
                    var slice = new Slice(has.slice().tensor(), begin, end);
                    var bytes = source.bytes(
                            slice, has.offset() + begin - has.slice().begin());
                    long target = wants.offset() + begin - wants.slice().begin();
                    MemorySegment.copy(bytes, 0, to, target, slice.bytes());
                }
            }
        }
    }

    private @Nullable Kept find(Part part) {
        for (var one : kept) {
            if (one.part().id() == part.id()) {
                return one;
            }
        }
        return null;
    }

    /** Hosts take turns from part to part, so that several askers share them out. */
    private Kept fetch(Part part, List<Membership.Host> hosts) throws PeerException {
        var holders = hosts.stream().filter(host -> host.holds(part.shard())).toList();
        var memory = memory();
        var said = new ArrayList<String>();
        for (int i = 0; i < holders.size(); i++) {
            var host = holders.get((part.index() + i) % holders.size());
            try {
                read(part, host.endpoint(), memory.asSlice(0, part.bytes()));
                checkpoint.check(part, memory.asSlice(0, part.bytes()));
                var fetched = new Kept(part, memory);
                kept.add(fetched);
                return fetched;
            } catch (PeerException e) {
                said.add(e.getMessage());
                close(readers.remove(host.endpoint()));
            } catch (CorruptBlockException e) {
                said.add("host " + host.name() + " gave a bad part: " + e.getMessage());
            }
        }
        free.add(memory);
        throw new PeerException("no host gives part " + part.index() + " of shard " + part.shard() + ": " + said);
    }

    private MemorySegment memory() {
        if (!free.isEmpty()) {
            return free.removeLast();
        }
        return kept.size() < KEPT_PARTS
                ? arena.allocate(ShardParts.MOST_BYTES)
                : kept.removeFirst().memory();
    }

    private void read(Part part, String endpoint, MemorySegment to) throws PeerException {
        var reader = readers.get(endpoint);
        if (reader == null) {
            reader = PartReader.connect(endpoint, settings.machine(), null, peerTimeout, settings.partTimeout(), pace);
            readers.put(endpoint, reader);
        }
        var key = new PartKey(checkpoint.key(), part.shard(), part.offset(), part.bytes());
        reader.request(key);
        if (!reader.read(to, more -> {})) {
            throw new PeerException("host " + reader.host() + " does not have " + key);
        }
    }

    private static void close(@Nullable PartReader reader) {
        if (reader != null) {
            reader.close();
        }
    }

    @Override
    public void close() {
        readers.values().forEach(PartReader::close);
        readers.clear();
    }
}
