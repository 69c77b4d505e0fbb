package dev.inflight.protocol.plan;

import com.fasterxml.jackson.annotation.JsonFormat;
import java.util.List;

/**
 * Who takes part in one update. Everything a worker needs, with the manifest, to compute the plan by itself; its size
 * depends on the number of members only.
 *
 * @param hosts hosts sorted by name
 * @param workers workers sorted by id
 */
@JsonFormat(shape = JsonFormat.Shape.ARRAY)
public record Membership(List<Host> hosts, List<Worker> workers) {
    public Membership {
        hosts = List.copyOf(hosts);
        workers = List.copyOf(workers);
    }

    /**
     * @param name the host's name
     * @param endpoint {@code address:port} of its peer server
     * @param shards shards of the checkpoint in its host store, ascending
     * @param place where it is; means something to joins only, like what follows
     * @param coming shards of the checkpoint that it is replicating, be it in part, ascending
     * @param uploads how many joins that have not ended were pointed at it
     */
    @JsonFormat(shape = JsonFormat.Shape.ARRAY)
    public record Host(
            String name, String endpoint, List<ShardRange> shards, Place place, List<ShardRange> coming, int uploads) {
        public Host {
            shards = List.copyOf(shards);
            coming = List.copyOf(coming);
        }

        /** A host of a broadcast. */
        public Host(String name, String endpoint, List<ShardRange> shards) {
            this(name, endpoint, shards, Place.UNKNOWN, List.of(), 0);
        }

        /** Whether a shard is in its host store. */
        public boolean holds(int shard) {
            return shards.stream().anyMatch(range -> range.contains(shard));
        }

        /** Whether it can be asked for parts of a shard: it has it, or is replicating it. */
        boolean gives(int shard) {
            return holds(shard) || coming.stream().anyMatch(range -> range.contains(shard));
        }
    }

    /**
     * @param id the worker's id
     * @param host index into {@link Membership#hosts()}
     * @param receives whether an engine that takes the update is attached
     */
    @JsonFormat(shape = JsonFormat.Shape.ARRAY)
    public record Worker(String id, int host, boolean receives) {}
}
