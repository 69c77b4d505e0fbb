package dev.inflight.worker.update;

import dev.inflight.protocol.cluster.Damage.Place;
import dev.inflight.protocol.plan.Part;
import dev.inflight.worker.store.CorruptBlockException;
import dev.inflight.worker.store.Replica;
import dev.inflight.worker.store.StoredCheckpoint;
import dev.inflight.worker.transport.DamagedChunkException;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * The parts of one replication as they come: counted, checked where they land, and, if they came damaged, remembered until
 * they have come whole. Parts are named by their position. Thread-safe.
 */
final class PartArrivals implements CastTaking.Destination {
    private final StoredCheckpoint checkpoint;
    private final Replica replica;
    private final List<Part> parts;
    private final StageTimes times;
    private final Runnable moved;

    /**
     * @param parts what is missing here
     * @param moved run when some bytes have come; must not block
     */
    PartArrivals(StoredCheckpoint checkpoint, Replica replica, List<Part> parts, StageTimes times, Runnable moved) {
        this.checkpoint = checkpoint;
        this.replica = replica;
        this.parts = parts;
        this.times = times;
        this.moved = moved;
    }

    List<Part> parts() {
        return parts;
    }

    @Override
    public MemorySegment target(int part) {
        return replica.target(parts.get(part));
    }

    /** More bytes have come, of any part. */
    void came(long bytes) {
        times.receivedBytes.add(bytes);
        replica.moved();
        moved.run();
    }

    /** Bytes that came have to come again. */
    void wasted(long bytes) {
        times.resentBytes.add(bytes);
    }

    /**
     * All of a part has come from a host that was asked for it.
     *
     * @throws CorruptBlockException if it is not what was published; it has not come then
     */
    void given(int part, String host) {
        landed(part, Place.WIRE, host, "host " + host);
    }

    @Override
    public void cast(int part, String host) {
        times.castBytes.add(parts.get(part).bytes());
        times.castSources.add(host);
        cameWhole(part, Place.WIRE, host, "host " + host);
    }

    /**
     * All of a part was read from the checkpoint's own files.
     *
     * @throws CorruptBlockException if they are not what was published any more
     */
    void read(int part, String path) {
        cameWhole(part, Place.FILE, path, path);
    }

    /** A chunk of a part has come, but was damaged on its way. */
    void damaged(int part, DamagedChunkException chunk) {
        came(chunk.bytes());
        wasted(chunk.bytes());
        var block = DamagedArrival.blockAt(parts.get(part).placements(), chunk.offset());
        times.damage.awaits(part, Place.WIRE, checkpoint.damaged(block));
    }

    /** None of its bytes has been counted yet. */
    private void cameWhole(int part, Place place, String source, String described) {
        long bytes = parts.get(part).bytes();
        came(bytes);
        try {
            landed(part, place, source, described);
        } catch (CorruptBlockException e) {
            wasted(bytes);
            throw e;
        }
    }

    /** @param described the source, for people */
    private void landed(int part, Place place, String source, String described) {
        try {
            replica.landed(parts.get(part));
        } catch (CorruptBlockException e) {
            times.damage.awaits(part, place, e);
            throw e;
        }
        times.sources.add(source);
        times.damage.brought(part, described);
    }
}
