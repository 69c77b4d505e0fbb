package dev.inflight.protocol.cluster;

import akka.actor.typed.ActorRef;
import akka.actor.typed.receptionist.ServiceKey;
import dev.inflight.protocol.plan.Membership;
import dev.inflight.protocol.plan.ShardRange;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What the coordinator asks of a host's store. One store actor runs per worker host. */
public sealed interface HostStoreCommand extends Wire {
    ServiceKey<HostStoreCommand> KEY = ServiceKey.create(HostStoreCommand.class, "host-store");

    /** Asks for a {@link HostStoreEvent.HostState} now and after every change, until the subscriber stops. */
    record Subscribe(ActorRef<HostStoreEvent> subscriber) implements HostStoreCommand {}

    /**
     * Reads the headers at {@code source}; answered by {@link HostStoreEvent.Inspected} or
     * {@link HostStoreEvent.InspectRefused}. Changes nothing.
     */
    record Inspect(String publishId, String source, ActorRef<HostStoreEvent> replyTo) implements HostStoreCommand {}

    /**
     * Loads the shards that {@code holders} assigns to this host, exchanges block digests with the other holders and
     * builds the manifest; answered by {@link HostStoreEvent.LoadProgress} and then {@link HostStoreEvent.Loaded} or
     * {@link HostStoreEvent.LoadFailed}.
     *
     * @param layoutDigest what {@link HostStoreEvent.Inspected} reported; the load fails if the files changed since
     * @param holders all hosts that load, sorted by name
     * @param spare digests of checkpoints that the host may {@link Unload}, in this order, if it lacks memory
     */
    record Load(
            String publishId,
            String model,
            String version,
            String source,
            String layoutDigest,
            int shardCount,
            long maxPartBytes,
            List<Holder> holders,
            List<String> spare,
            ActorRef<HostStoreEvent> replyTo)
            implements HostStoreCommand {
        public Load {
            spare = List.copyOf(spare);
        }

        /** With nothing to spare. */
        public Load(
                String publishId,
                String model,
                String version,
                String source,
                String layoutDigest,
                int shardCount,
                long maxPartBytes,
                List<Holder> holders,
                ActorRef<HostStoreEvent> replyTo) {
            this(
                    publishId,
                    model,
                    version,
                    source,
                    layoutDigest,
                    shardCount,
                    maxPartBytes,
                    holders,
                    List.of(),
                    replyTo);
        }
    }

    /**
     * Loads shards whose holder is gone from the checkpoint's source files again, checked against its manifest;
     * answered like {@link Load}.
     *
     * @param sources hosts to take the shards from if the files can not be read; empty if there are none
     */
    record Restore(
            String publishId,
            CheckpointRef checkpoint,
            List<ShardRange> shards,
            List<Membership.Host> sources,
            ActorRef<HostStoreEvent> replyTo)
            implements HostStoreCommand {
        public Restore {
            sources = List.copyOf(sources);
        }

        /** From the files only. */
        public Restore(
                String publishId, CheckpointRef checkpoint, List<ShardRange> shards, ActorRef<HostStoreEvent> replyTo) {
            this(publishId, checkpoint, shards, List.of(), replyTo);
        }
    }

    /** Frees the memory of a checkpoint's shards, which {@link Restore} brings back; nothing if they are in use. */
    record Unload(String digest) implements HostStoreCommand {}

    /** Forgets a checkpoint and frees its arena. */
    record Release(String digest) implements HostStoreCommand {}

    /** A host that is about to stop need not wait longer: what it alone held is elsewhere, as far as that can be. */
    record Dismiss() implements HostStoreCommand {}

    /**
     * Asks for memory that a trainer on the same machine writes a checkpoint into, as the bytes of one safetensors file.
     * Of the host that is named, else of one that sees the same shared memory.
     *
     * @param host the lending host; may be null for the coordinator
     * @param machine identity of the trainer's shared memory, as in {@link dev.inflight.protocol.plan.Place}
     * @param bytes length of header and tensors
     */
    record Lend(@Nullable String host, @Nullable String machine, long bytes, ActorRef<LeaseReply> replyTo)
            implements HostStoreCommand, LeaseCommand {}

    /** Asks for a lease's present state. */
    record GetLease(String lease, ActorRef<LeaseReply> replyTo) implements HostStoreCommand, LeaseCommand {}

    /** The trainer has unmapped the arena and does not publish it. */
    record GiveBack(String lease, ActorRef<LeaseReply> replyTo) implements HostStoreCommand, LeaseCommand {}

    /** Which host loads which shards. */
    record Holder(String host, String endpoint, List<ShardRange> shards) {}
}
