package dev.inflight.protocol.cluster;

import dev.inflight.protocol.plan.Place;
import dev.inflight.protocol.plan.ShardRange;
import java.util.List;

/** What a host's store tells the coordinator. */
public sealed interface HostStoreEvent extends Wire {
    /** The reporting host's name. */
    String host();

    /**
     * @param endpoint {@code address:port} of the host's peer server
     * @param held checkpoints whose shards are in the store
     * @param place where the host is
     * @param coming checkpoints that it is replicating, each with the shards that are not held yet
     * @param leaving whether it is about to stop and waits for {@link HostStoreCommand.Dismiss}
     * @param maxSourceBytesPerSecond most bytes that it sends to other hosts in a second, in joins, in a lost owner's place
     *     and in limited updates; 0 for no limit
     */
    record HostState(
            String host,
            String endpoint,
            List<Held> held,
            Place place,
            List<Held> coming,
            boolean leaving,
            long maxSourceBytesPerSecond)
            implements HostStoreEvent {
        /** A host that sends as fast as it can. */
        public HostState(
                String host, String endpoint, List<Held> held, Place place, List<Held> coming, boolean leaving) {
            this(host, endpoint, held, place, coming, leaving, 0);
        }

        /** A host that stays. */
        public HostState(String host, String endpoint, List<Held> held, Place place, List<Held> coming) {
            this(host, endpoint, held, place, coming, false);
        }

        /** A host without labels that replicates nothing. */
        public HostState(String host, String endpoint, List<Held> held) {
            this(host, endpoint, held, Place.UNKNOWN, List.of());
        }
    }

    /**
     * A checkpoint and the shards of it that a host holds, or is replicating, be it in part. Without shards if it keeps
     * only parts of some.
     *
     * @param memoryBytes memory that the host's store spends on them; 0 for files in /dev/shm that it uses in place
     */
    record Held(CheckpointRef checkpoint, List<ShardRange> shards, long memoryBytes) {
        /** Shards that cost nothing. */
        public Held(CheckpointRef checkpoint, List<ShardRange> shards) {
            this(checkpoint, shards, 0);
        }
    }

    /** The headers at a source are sound. {@code inPlace}: the files lie in /dev/shm and are mapped, not copied. */
    record Inspected(
            String host,
            String publishId,
            String layoutDigest,
            long tensors,
            long bytes,
            long largestTensorBytes,
            boolean inPlace)
            implements HostStoreEvent {}

    /** The source can not be published from this host. */
    record InspectRefused(String host, String publishId, Reason reason, String message) implements HostStoreEvent {
        public enum Reason {
            /** This host does not see the path; others may. */
            NOT_FOUND,
            /** The files break the format; no host can load them. */
            INVALID
        }
    }

    record LoadProgress(String host, String publishId, long loadedBytes) implements HostStoreEvent {}

    /**
     * @param bytes what this host read
     * @param touchMicros time it took to make fresh memory present, in microseconds; 0 if arenas were reused
     * @param registerMicros time it took to register the memory with its GPUs, in microseconds; 0 without GPUs
     */
    record Loaded(String host, String publishId, String digest, long bytes, long touchMicros, long registerMicros)
            implements HostStoreEvent {}

    record LoadFailed(String host, String publishId, String message) implements HostStoreEvent {}
}
