package dev.inflight.worker.store;

import dev.inflight.protocol.checkpoint.BlockSums;
import dev.inflight.protocol.checkpoint.CheckpointLayout;
import dev.inflight.protocol.checkpoint.LayoutDigest;
import dev.inflight.protocol.checkpoint.Manifest;
import dev.inflight.protocol.checkpoint.ManifestAssembly;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.Damage;
import dev.inflight.protocol.cluster.HostStoreCommand.Holder;
import dev.inflight.protocol.cluster.HostStoreCommand.Load;
import dev.inflight.protocol.cluster.HostStoreCommand.Restore;
import dev.inflight.protocol.plan.Shard;
import dev.inflight.protocol.plan.ShardRange;
import dev.inflight.protocol.plan.Sharding;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongConsumer;
import java.util.function.Predicate;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Loads shards of a checkpoint from its source, and proves what was loaded: at a publish, which makes the manifest together
 * with the other holders, and again when shards have to come back, which must give the manifest that was published. Blocks
 * for as long as the bytes take. Thread-safe; loads may run side by side.
 */
final class CheckpointLoading {
    private final String host;
    private final TensorSources sources;
    private final ArenaPool arenas;
    private final int threads;
    private final CheckpointTable table;
    private final SumsExchange exchange;
    private final Publications publications;
    private final DamageTally damage;
    private final Predicate<String> spare;

    /**
     * @param threads threads that read a checkpoint
     * @param table takes in what was loaded
     * @param publications told the block sums of a publish as they are computed, for the other holders
     * @param damage told of files that are not what was published any more
     * @param spare frees the memory of a checkpoint, by its digest; false if that gains nothing or can not be
     */
    CheckpointLoading(
            String host,
            TensorSources sources,
            ArenaPool arenas,
            int threads,
            CheckpointTable table,
            SumsExchange exchange,
            Publications publications,
            DamageTally damage,
            Predicate<String> spare) {
        this.host = host;
        this.sources = sources;
        this.arenas = arenas;
        this.threads = threads;
        this.table = table;
        this.exchange = exchange;
        this.publications = publications;
        this.damage = damage;
        this.spare = spare;
    }

    /** As {@link HostStore#load}. */
    StoredCheckpoint load(Load order, LongConsumer progress) throws InterruptedException {
        var publication = publications.of(order.publishId());
        try {
            return load(order, publication, progress);
        } catch (RuntimeException | InterruptedException e) {
            publication.failed(host + ": " + e.getMessage());
            throw e;
        }
    }

    private StoredCheckpoint load(Load order, Publication publication, LongConsumer progress)
            throws InterruptedException {
        var files = sources.open(order.source());
        var spared = new ArrayDeque<>(order.spare());
        var loader = new ShardLoader(files, arenas, () -> makeRoom(spared), threads, progress);
        try {
            requireUnchanged(order, files.layout());
            var sharding = Sharding.of(files.layout(), order.shardCount(), order.maxPartBytes());
            var sums = new HashMap<Integer, BlockSums>();
            for (var shard : shardsOf(sharding, holder(order, host).shards())) {
                var loaded = loader.load(shard);
                publication.computed(loaded);
                sums.put(shard.index(), loaded);
            }
            for (var holder : order.holders()) {
                if (!holder.host().equals(host)) {
                    fetch(holder, order.publishId(), sharding)
                            .forEach(s -> sums.put(s.shard().index(), s));
                }
            }
            var all = inOrder(sums);
            var manifest = ManifestAssembly.assemble(files.layout(), all);
            return hold(ref(order, manifest), manifest, sharding, all, loader);
        } catch (RuntimeException | InterruptedException e) {
            loader.discard();
            throw e;
        } finally {
            if (files instanceof LentCheckpoint written) {
                written.endLease();
            }
        }
    }

    /** Frees the memory of the next checkpoint that can be spared; false if there is none. */
    private boolean makeRoom(Deque<String> spared) {
        while (!spared.isEmpty()) {
            if (spare.test(spared.removeFirst())) {
                return true;
            }
        }
        return false;
    }

    private List<BlockSums> fetch(Holder holder, String publishId, Sharding sharding) {
        return exchange.sums(List.of(holder.endpoint()), publishId, shardsOf(sharding, holder.shards()));
    }

    private static CheckpointRef ref(Load order, Manifest manifest) {
        var layout = manifest.layout();
        return new CheckpointRef(
                order.model(),
                order.version(),
                manifest.digest(),
                order.source(),
                order.shardCount(),
                order.maxPartBytes(),
                layout.tensors().size(),
                layout.bytes(),
                layout.largestTensorBytes());
    }

    /** As {@link HostStore#restore}. */
    StoredCheckpoint restore(Restore order, LongConsumer progress) throws InterruptedException {
        var ref = order.checkpoint();
        var files = sources.open(ref.source());
        var loader = new ShardLoader(files, arenas, () -> false, threads, progress);
        try {
            var sharding = Sharding.of(files.layout(), ref.shardCount(), ref.maxPartBytes());
            var known = table.find(ref);
            var wanted = known == null ? sharding.shards() : shardsOf(sharding, order.shards());
            var sums = new HashMap<Integer, BlockSums>();
            if (known != null) {
                sharding.shards().forEach(shard -> sums.put(shard.index(), known.sums(shard.index())));
            }
            for (var shard : wanted) {
                sums.put(shard.index(), same(known, loader.load(shard), ref.source()));
            }
            var all = inOrder(sums);
            var manifest = ManifestAssembly.assemble(files.layout(), all);
            if (!manifest.digest().equals(ref.digest())) {
                throw new StoreException(ref.source() + ": its digest is now " + manifest.digest() + ", published as "
                        + ref.model() + " " + ref.version() + " was " + ref.digest());
            }
            return hold(ref, manifest, sharding, all, loader);
        } catch (RuntimeException | InterruptedException e) {
            loader.discard();
            throw e;
        }
    }

    /** @throws StoreException naming file, tensor and byte, if it is known that other bytes were published */
    private BlockSums same(@Nullable StoredCheckpoint known, BlockSums read, String source) {
        try {
            if (known != null) {
                known.requireSame(read);
            }
            return read;
        } catch (CorruptBlockException e) {
            damage.addFound(Damage.Place.FILE);
            throw new StoreException(source + ": " + e.getMessage(), e);
        }
    }

    private StoredCheckpoint hold(
            CheckpointRef ref, Manifest manifest, Sharding sharding, List<BlockSums> sums, ShardLoader loader) {
        var stored = table.hold(ref, () -> new StoredCheckpoint(host, ref, manifest, sharding, sums));
        loader.giveTo(stored);
        table.begun().happened();
        return stored;
    }

    private static List<BlockSums> inOrder(Map<Integer, BlockSums> sums) {
        return IntStream.range(0, sums.size())
                .mapToObj(shard -> {
                    var found = sums.get(shard);
                    if (found == null) {
                        throw new StoreException("no holder was told to load shard " + shard);
                    }
                    return found;
                })
                .toList();
    }

    private static void requireUnchanged(Load order, CheckpointLayout layout) {
        if (!LayoutDigest.of(layout).equals(order.layoutDigest())) {
            throw new StoreException(order.source() + ": the files changed while they were being published");
        }
    }

    private static Holder holder(Load order, String host) {
        return order.holders().stream()
                .filter(holder -> holder.host().equals(host))
                .findFirst()
                .orElseThrow(() -> new StoreException("host " + host + " is not among the holders"));
    }

    private static List<Shard> shardsOf(Sharding sharding, List<ShardRange> ranges) {
        return ranges.stream()
                .flatMapToInt(range -> IntStream.rangeClosed(range.first(), range.last()))
                .mapToObj(sharding.shards()::get)
                .toList();
    }
}
