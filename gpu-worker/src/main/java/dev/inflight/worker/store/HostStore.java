package dev.inflight.worker.store;

import dev.inflight.protocol.checkpoint.BlockSums;
import dev.inflight.protocol.checkpoint.CheckpointLayout;
import dev.inflight.protocol.checkpoint.LayoutDigest;
import dev.inflight.protocol.checkpoint.ManifestAssembly;
import dev.inflight.protocol.checkpoint.ManifestCodec;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.Damage;
import dev.inflight.protocol.cluster.HostStoreCommand;
import dev.inflight.protocol.cluster.HostStoreCommand.Holder;
import dev.inflight.protocol.cluster.HostStoreEvent.Held;
import dev.inflight.protocol.cluster.LeaseId;
import dev.inflight.protocol.cluster.LeaseReply;
import dev.inflight.protocol.link.EngineShare;
import dev.inflight.protocol.link.SliceException;
import dev.inflight.protocol.plan.Membership;
import dev.inflight.protocol.plan.Part;
import dev.inflight.protocol.plan.Shard;
import dev.inflight.protocol.plan.ShardRange;
import dev.inflight.protocol.plan.Sharding;
import dev.inflight.worker.device.Pinning;
import dev.inflight.worker.device.ShmNames;
import dev.inflight.worker.transport.PartBytes;
import dev.inflight.worker.transport.PartKey;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Collection;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongConsumer;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The checkpoints that one host holds shards of. Loading blocks for as long as the bytes take; everything else answers
 * at once, except {@link #adopt} of a checkpoint that only other hosts know. Thread-safe.
 */
public final class HostStore implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(HostStore.class);

    private final String host;
    private final ArenaPool arenas;
    private final LentArenas lent;
    private final TimedPinning pinning;
    private final CheckpointRoots roots;
    private final int threads;
    private final Duration exchangeTimeout;
    private final SumsExchange exchange;
    private final Publications publications = new Publications();
    private final CheckpointTable table = new CheckpointTable();
    private final Changes begun = new Changes();
    private final PartGiving giving;
    private final DamageTally damage = new DamageTally();
    private final Mender mender;
    private volatile Runnable changed = () -> {};

    /** Reads checkpoints from anywhere and lends no arenas. */
    public HostStore(
            String host, ShmNames names, Pinning pinning, int threads, Duration exchangeTimeout, Duration peerTimeout) {
        this(host, names, pinning, CheckpointRoots.ANYWHERE, threads, exchangeTimeout, peerTimeout, LeaseSettings.NONE);
    }

    /**
     * @param pinning for everything that devices copy from
     * @param roots where checkpoints must lie
     * @param threads threads that read a checkpoint
     * @param exchangeTimeout longest wait for another host's block sums
     * @param peerTimeout longest silence of another host
     * @param leases how arenas are lent to trainers
     */
    public HostStore(
            String host,
            ShmNames names,
            Pinning pinning,
            CheckpointRoots roots,
            int threads,
            Duration exchangeTimeout,
            Duration peerTimeout,
            LeaseSettings leases) {
        this.host = host;
        this.roots = roots;
        this.pinning = new TimedPinning(pinning);
        this.arenas = new ArenaPool(names, Pinning.NONE.equals(pinning) ? pinning : this.pinning);
        this.threads = threads;
        this.exchangeTimeout = exchangeTimeout;
        this.exchange = new SumsExchange(peerTimeout);
        this.mender = new Mender(roots, peerTimeout, damage, this::giveUp);
        this.giving = new PartGiving(host, table, begun, mender);
        // A pool of its own: who once had an arena mapped for writing must not reach the shards of other checkpoints.
        this.lent = new LentArenas(
                host,
                new ArenaPool(names, this.pinning),
                leases,
                work -> Thread.ofVirtual().name("lend-arena").start(work),
                System::nanoTime);
    }

    /**
     * What is at a checkpoint's source, with its headers checked; to be closed.
     *
     * @throws CheckpointNotFoundException if this host sees nothing there
     * @throws dev.inflight.protocol.checkpoint.CheckpointException if it can not be read or breaks the format
     */
    public TensorFiles open(String source) {
        var lease = LeaseId.ofSource(source);
        return lease == null ? CheckpointFiles.open(Path.of(source), roots, pinning) : lent.open(lease);
    }

    /** Begins to make memory ready that a trainer writes a checkpoint into. */
    public LeaseReply lend(long bytes) {
        return lent.lend(bytes);
    }

    /** A lease as it is now. */
    public LeaseReply lease(String id) {
        return lent.view(id);
    }

    /** A trainer lets go of an arena without publishing it. */
    public LeaseReply giveBack(String id) {
        return lent.giveBack(id);
    }

    /** Takes back the arenas that were not published in time. */
    public void expireLeases() {
        lent.expire();
    }

    /** Where checkpoints are read from. */
    public CheckpointRoots roots() {
        return roots;
    }

    /**
     * Loads this host's shards of a checkpoint that is being published and builds its manifest with the other holders.
     *
     * @param progress told how many more bytes are done, by several threads
     * @return the checkpoint, now held
     * @throws RuntimeException naming file, tensor or peer; nothing is held then that was not before
     */
    public StoredCheckpoint load(HostStoreCommand.Load order, LongConsumer progress) throws InterruptedException {
        var publication = publications.of(order.publishId());
        try {
            return load(order, publication, progress);
        } catch (RuntimeException | InterruptedException e) {
            publication.failed(host + ": " + e.getMessage());
            throw e;
        }
    }

    private StoredCheckpoint load(HostStoreCommand.Load order, Publication publication, LongConsumer progress)
            throws InterruptedException {
        var files = open(order.source());
        var spare = new ArrayDeque<>(order.spare());
        var loader = new ShardLoader(files, arenas, () -> makeRoom(spare), threads, progress);
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
            return hold(order, files.layout(), sharding, inOrder(sums), loader);
        } catch (RuntimeException | InterruptedException e) {
            loader.discard();
            throw e;
        } finally {
            if (files instanceof LentCheckpoint written) {
                written.endLease();
            }
        }
    }

    private StoredCheckpoint hold(
            HostStoreCommand.Load order,
            CheckpointLayout layout,
            Sharding sharding,
            List<BlockSums> sums,
            ShardLoader loader) {
        var manifest = ManifestAssembly.assemble(layout, sums);
        var ref = new CheckpointRef(
                order.model(),
                order.version(),
                manifest.digest(),
                order.source(),
                order.shardCount(),
                order.maxPartBytes(),
                layout.tensors().size(),
                layout.bytes(),
                layout.largestTensorBytes());
        var stored = table.hold(ref, () -> new StoredCheckpoint(host, ref, manifest, sharding, sums));
        loader.giveTo(stored);
        begun.happened();
        return stored;
    }

    /**
     * Loads shards again whose holder is gone, from the files the checkpoint was published from. A host that does not
     * know the checkpoint loads all of it, since only that proves the files to be the same.
     *
     * @throws RuntimeException if the files are gone or are no longer what was published
     */
    public StoredCheckpoint restore(HostStoreCommand.Restore order, LongConsumer progress) throws InterruptedException {
        var ref = order.checkpoint();
        var files = open(ref.source());
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
            var manifest = ManifestAssembly.assemble(files.layout(), inOrder(sums));
            if (!manifest.digest().equals(ref.digest())) {
                throw new StoreException(ref.source() + ": its digest is now " + manifest.digest() + ", published as "
                        + ref.model() + " " + ref.version() + " was " + ref.digest());
            }
            var stored = table.hold(ref, () -> new StoredCheckpoint(host, ref, manifest, sharding, inOrder(sums)));
            loader.giveTo(stored);
            begun.happened();
            return stored;
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

    private void giveUp(StoredCheckpoint checkpoint, int shard) {
        checkpoint.giveUp(shard);
        changed.run();
    }

    /**
     * Mends parts that are damaged in this host's memory, from other hosts' stores or the files.
     *
     * @return what was damaged; empty if all parts that are held here are whole
     * @throws StoreException naming the damage, if it can not be mended; the shard is not held here any more then
     */
    public List<Damage> mend(StoredCheckpoint checkpoint, Collection<Part> parts) throws InterruptedException {
        return mender.mend(checkpoint, parts);
    }

    /** What was found damaged on this host. */
    public DamageTally damage() {
        return damage;
    }

    /**
     * The checkpoint, whose manifest and block sums are fetched from its holders if this host does not know it.
     *
     * @param endpoints peer servers of hosts that hold shards
     * @throws StoreException if no holder has it, or what they have is not what the digest says
     */
    public StoredCheckpoint adopt(CheckpointRef ref, List<String> endpoints) {
        var known = table.find(ref);
        if (known != null) {
            return known;
        }
        var manifest = ManifestCodec.decode(exchange.manifest(endpoints, ref.digest()));
        var sharding = Sharding.of(manifest.layout(), ref.shardCount(), ref.maxPartBytes());
        var sums = exchange.sums(endpoints, CheckpointTable.key(ref), sharding.shards());
        if (!ManifestAssembly.assemble(manifest.layout(), sums).digest().equals(ref.digest())) {
            throw new StoreException("the holders' block sums are not those of manifest " + ref.digest());
        }
        return table.adopt(ref, () -> new StoredCheckpoint(host, ref, manifest, sharding, sums));
    }

    /**
     * Makes memory for shards ready now: allocated, present and pinned.
     *
     * @throws java.io.UncheckedIOException with the numbers, if the memory can not be had
     */
    public void warm(long bytes) {
        if (bytes > 0) {
            arenas.warm(bytes);
        }
    }

    /** Time spent so far on making fresh memory present, in microseconds. */
    public long touchMicros() {
        return arenas.touchMicros();
    }

    /** Time spent so far on pinning memory for devices, in microseconds. */
    public long registerMicros() {
        return pinning.micros();
    }

    /** Memory for shards that is there and holds none; without what is lent to trainers. */
    public long freeBytes() {
        return arenas.freeBytes();
    }

    /** Memory of the shards that are held, and of what is kept of others. */
    public long heldBytes() {
        return held().stream().mapToLong(Held::memoryBytes).sum();
    }

    /** Checkpoints of which something is kept here, by model and version; without shards if only parts of some are. */
    public List<Held> held() {
        return table.held();
    }

    /** Frees the memory of the next checkpoint that can be spared; false if there is none. */
    private boolean makeRoom(Deque<String> spare) {
        while (!spare.isEmpty()) {
            var digest = spare.removeFirst();
            // Of one that lies in its own files nothing would be freed.
            boolean costs = table.held().stream()
                    .anyMatch(held -> held.checkpoint().digest().equals(digest) && held.memoryBytes() > 0);
            if (costs && unload(digest)) {
                changed.run();
                return true;
            }
        }
        return false;
    }

    /**
     * Frees the memory of a checkpoint's shards; what is needed to load them again stays.
     *
     * @return false if none is here, or they are in use
     */
    public boolean unload(String digest) {
        var unloaded = table.unload(digest);
        for (var stored : unloaded) {
            LOG.info(
                    "freed {} bytes of {} {}; its files are read again if it is needed",
                    stored.memoryBytes(),
                    stored.ref().model(),
                    stored.ref().version());
            free(stored);
        }
        return !unloaded.isEmpty();
    }

    /** Forgets a checkpoint; its memory serves the next one. Must not be in use by an update. */
    public void release(String digest) {
        table.remove(digest).forEach(this::free);
    }

    /** Run, from any thread, whenever a replica changed what is held or coming. Replaces what was given before. */
    public void onChange(Runnable listener) {
        changed = listener;
    }

    /** Checkpoints of which shards are being replicated, with those shards. */
    public List<Held> coming() {
        return table.coming();
    }

    /** Begins to replicate all that is not here. */
    public Replica replicate(StoredCheckpoint checkpoint) {
        return replicate(
                checkpoint,
                Need.of(
                        checkpoint,
                        List.of(new ShardRange(0, checkpoint.sharding().count() - 1))));
    }

    /**
     * Begins to replicate what is needed and not here, or joins in where something is being replicated. To be ended by
     * {@link Replica#leave}.
     *
     * @throws RuntimeException with the numbers, if the memory can not be had
     */
    public Replica replicate(StoredCheckpoint checkpoint, Need need) {
        Replica fresh;
        synchronized (checkpoint) {
            var running = checkpoint.replica();
            if (running != null && running.enter(need)) {
                changed.run();
                return running;
            }
            long touched = touchMicros();
            long registered = registerMicros();
            fresh = new Replica(checkpoint, arenas, () -> changed.run(), need);
            // Loads that run beside it count, too: good enough for a log.
            LOG.info(
                    "replicating {} of {} shards of {} {}; before, memory took {} ms to touch and {} ms to register",
                    fresh.coming().size(),
                    checkpoint.sharding().count(),
                    checkpoint.ref().model(),
                    checkpoint.ref().version(),
                    (touchMicros() - touched) / 1000,
                    (registerMicros() - registered) / 1000);
            checkpoint.replicatedBy(fresh);
            // One of which nothing was held may have been forgotten since it was found.
            table.hold(checkpoint.ref(), () -> checkpoint);
        }
        begun.happened();
        changed.run();
        return fresh;
    }

    /**
     * A part of a shard, for a peer. Waits until it is here if it is being replicated, or is about to be: of joins that
     * begin together one may ask another before that has begun.
     *
     * @param mappable whether the peer sees this host's shared memory
     * @param patience longest time in which the replica does not move
     * @return null if something of the shard is here, or comes, but not all of this part
     * @throws StoreException if nothing of the shard is here or comes
     */
    public @Nullable PartBytes part(PartKey key, boolean mappable, Duration patience) throws InterruptedException {
        return giving.part(key, mappable, patience);
    }

    /** @throws StoreException if this host does not know it */
    public StoredCheckpoint checkpoint(String key) {
        return table.byKey(key, host);
    }

    private void free(StoredCheckpoint stored) {
        stored.release(memories -> ShardLoader.free(memories, arenas));
    }

    /**
     * Encoded block sums of one shard, for a peer.
     *
     * @param key the id of a publication, whose sums are waited for while this host is still reading, or a
     *     {@link CheckpointTable#key}
     * @throws StoreException if this host neither knows it nor learns it in time
     */
    public byte[] blockSums(String key, int shard) throws InterruptedException {
        if (CheckpointTable.isKey(key)) {
            return table.byKey(key, host).sums(shard).encode();
        }
        return publications.of(key).await(shard, exchangeTimeout);
    }

    /** The encoded manifest, for a peer. */
    public byte[] manifest(String digest) {
        return ManifestCodec.encode(table.byDigest(digest, host).manifest());
    }

    /**
     * Digests of what an engine of a tensor-parallel group must hold: of shards that are here from their bytes, of the
     * others from their holders.
     *
     * @throws SliceException naming a tensor that can not be cut
     * @throws StoreException naming a shard that nobody holds, or a holder whose bytes are damaged
     * @throws CorruptBlockException if the bytes here are
     */
    public SliceDigests sliceDigests(StoredCheckpoint checkpoint, EngineShare share, Membership holders)
            throws SliceException, InterruptedException {
        var key = CheckpointTable.key(checkpoint.ref());
        var digests = new SliceDigests(checkpoint, share);
        for (var shard : checkpoint.sharding().shards()) {
            if (digests.bytes(shard) == 0) {
                continue;
            }
            int index = shard.index();
            digests.add(
                    shard,
                    checkpoint.holds(index)
                            ? computed(digests, checkpoint, shard)
                            : exchange.sliceDigests(endpoints(holders, index), key, share, index));
        }
        return digests;
    }

    /**
     * Encoded digests of what an engine must hold of one shard, for a peer.
     *
     * @param key a {@link CheckpointTable#key}
     * @throws StoreException if the shard is not here, or a tensor can not be cut
     * @throws CorruptBlockException if its bytes are no longer what was published
     */
    public byte[] sliceDigests(String key, EngineShare share, int shard) throws InterruptedException {
        var checkpoint = table.byKey(key, host);
        if (!checkpoint.holds(shard)) {
            throw new StoreException("host " + host + " does not hold shard " + shard + " of " + key);
        }
        try {
            return computed(
                    new SliceDigests(checkpoint, share),
                    checkpoint,
                    checkpoint.sharding().shards().get(shard));
        } catch (SliceException e) {
            throw new StoreException(String.valueOf(e.getMessage()), e);
        }
    }

    /** Its bytes are not freed meanwhile. */
    private static byte[] computed(SliceDigests digests, StoredCheckpoint checkpoint, Shard shard)
            throws InterruptedException {
        if (!checkpoint.use()) {
            throw new StoreException("the shards of " + checkpoint.key() + " are being freed; try again");
        }
        try {
            return digests.compute(shard);
        } finally {
            checkpoint.endUse();
        }
    }

    private static List<String> endpoints(Membership holders, int shard) {
        return holders.hosts().stream()
                .filter(one -> one.holds(shard))
                .map(Membership.Host::endpoint)
                .toList();
    }

    private List<BlockSums> fetch(Holder holder, String publishId, Sharding sharding) {
        return exchange.sums(List.of(holder.endpoint()), publishId, shardsOf(sharding, holder.shards()));
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

    private static void requireUnchanged(HostStoreCommand.Load order, CheckpointLayout layout) {
        if (!LayoutDigest.of(layout).equals(order.layoutDigest())) {
            throw new StoreException(order.source() + ": the files changed while they were being published");
        }
    }

    private static Holder holder(HostStoreCommand.Load order, String host) {
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

    @Override
    public void close() {
        table.removeAll().forEach(this::free);
        lent.close();
        arenas.close();
    }
}
