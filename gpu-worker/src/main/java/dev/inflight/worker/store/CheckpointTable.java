package dev.inflight.worker.store;

import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.HostStoreEvent.Held;
import dev.inflight.protocol.plan.ShardRange;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Checkpoints by identity and by how they were split into shards: the same bytes may have been published twice with
 * fleets of different size. Thread-safe.
 */
final class CheckpointTable {
    /** Checkpoints kept of which no shard is held: only their manifests are here, and can be had again. */
    private static final int MOST_ADOPTED = 4;

    private final Map<String, Entry> entries = new LinkedHashMap<>();
    private final Changes begun = new Changes();

    private record Entry(StoredCheckpoint stored, Set<CheckpointRef> refs) {}

    /** Names a checkpoint with its sharding among hosts: digest, shard count and largest part. */
    static String key(CheckpointRef ref) {
        return ref.digest() + "/" + ref.shardCount() + "/" + ref.maxPartBytes();
    }

    static boolean isKey(String text) {
        return text.indexOf('/') >= 0;
    }

    /** Told, and to be waited for, when shards of a checkpoint have come to be held or replicated. */
    Changes begun() {
        return begun;
    }

    synchronized @Nullable StoredCheckpoint find(CheckpointRef ref) {
        var entry = entries.get(key(ref));
        return entry == null ? null : entry.stored();
    }

    /**
     * The known checkpoint, or the one made now; from now on it has the names in {@code ref}. Published again from another
     * source, a version keeps its first.
     */
    synchronized StoredCheckpoint hold(CheckpointRef ref, Supplier<StoredCheckpoint> fresh) {
        var entry = entries.computeIfAbsent(key(ref), k -> new Entry(fresh.get(), new HashSet<>()));
        if (entry.refs().stream()
                .noneMatch(other ->
                        other.model().equals(ref.model()) && other.version().equals(ref.version()))) {
            entry.refs().add(ref);
        }
        return entry.stored();
    }

    /** Like {@link #hold} for a checkpoint of which no shard is held; the oldest such one may be forgotten for it. */
    synchronized StoredCheckpoint adopt(CheckpointRef ref, Supplier<StoredCheckpoint> fresh) {
        var adopted = entries.entrySet().stream()
                .filter(entry -> entry.getValue().stored().isForgettable()
                        && entry.getValue().stored().replica() == null)
                .map(Map.Entry::getKey)
                .toList();
        if (adopted.size() >= MOST_ADOPTED) {
            entries.remove(adopted.getFirst());
        }
        return hold(ref, fresh);
    }

    /** @throws StoreException if it is not here */
    synchronized StoredCheckpoint byKey(String key, String host) {
        var entry = entries.get(key);
        if (entry == null) {
            throw new StoreException("host " + host + " does not know checkpoint " + key);
        }
        return entry.stored();
    }

    /** @throws StoreException if it is not here */
    synchronized StoredCheckpoint byDigest(String digest, String host) {
        return entries.values().stream()
                .map(Entry::stored)
                .filter(stored -> stored.ref().digest().equals(digest))
                .findFirst()
                .orElseThrow(() -> new StoreException("host " + host + " does not know manifest " + digest));
    }

    /** Everything of which something is kept, under each of its names; without shards if only parts of some are. */
    synchronized List<Held> held() {
        var held = new ArrayList<Held>();
        for (var entry : entries.values()) {
            var shards = entry.stored().heldShards();
            if (entry.stored().hasBytes()) {
                entry.refs()
                        .forEach(ref -> held.add(new Held(
                                ref, ShardRange.of(shards), entry.stored().memoryBytes())));
            }
        }
        held.sort(Comparator.comparing((Held one) -> one.checkpoint().model())
                .thenComparing(one -> one.checkpoint().version()));
        return held;
    }

    /** Everything that is being replicated, under each of its names, with the shards that come, if only in part. */
    synchronized List<Held> coming() {
        var coming = new ArrayList<Held>();
        for (var entry : entries.values()) {
            var replica = entry.stored().replica();
            var shards = replica == null ? new TreeSet<Integer>() : replica.coming();
            if (!shards.isEmpty()) {
                entry.refs().forEach(ref -> coming.add(new Held(ref, ShardRange.of(shards))));
            }
        }
        return coming;
    }

    /** Keeps what is known of a checkpoint, but not its shards. Returns those of which something was here and that are not in use. */
    synchronized Collection<StoredCheckpoint> unload(String digest) {
        var unloaded = new ArrayList<StoredCheckpoint>();
        entries.replaceAll((key, entry) -> {
            var stored = entry.stored();
            if (!stored.ref().digest().equals(digest) || !stored.hasBytes() || stored.inUse()) {
                return entry;
            }
            unloaded.add(stored);
            return new Entry(stored.withoutShards(), entry.refs());
        });
        return unloaded;
    }

    synchronized Collection<StoredCheckpoint> remove(String digest) {
        var removed = new ArrayList<StoredCheckpoint>();
        entries.values().removeIf(entry -> {
            boolean match = entry.stored().ref().digest().equals(digest);
            if (match) {
                removed.add(entry.stored());
            }
            return match;
        });
        return removed;
    }

    synchronized Collection<StoredCheckpoint> removeAll() {
        var removed = entries.values().stream().map(Entry::stored).toList();
        entries.clear();
        return removed;
    }
}
