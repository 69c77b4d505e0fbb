package dev.inflight.worker.store;

import dev.inflight.protocol.checkpoint.ManifestAssembly;
import dev.inflight.protocol.checkpoint.ManifestCodec;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.Damage;
import dev.inflight.protocol.cluster.HostStoreCommand;
import dev.inflight.protocol.cluster.HostStoreEvent.Held;
import dev.inflight.protocol.link.EngineShare;
import dev.inflight.protocol.link.SliceException;
import dev.inflight.protocol.plan.Membership;
import dev.inflight.protocol.plan.Part;
import dev.inflight.protocol.plan.ShardRange;
import dev.inflight.protocol.plan.Sharding;
import dev.inflight.worker.device.Pinning;
import dev.inflight.worker.device.ShmNames;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.function.LongConsumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The checkpoints that one host holds shards of: what is known of them, and the memory that their shards lie in. Loading,
 * mending, taking and touching memory and computing digests block for as long as the bytes take, {@link #open} for as long
 * as headers do, and {@link #adopt} of a checkpoint that only other hosts know for as long as they do; everything else
 * answers at once. Thread-safe.
 */
public final class HostStore implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(HostStore.class);

    private final String host;
    private final TimedPinning pinning;
    private final ArenaPool arenas;
    private final LentArenas lent;
    private final TensorSources sources;
    private final CheckpointTable table = new CheckpointTable();
    private final DamageTally damage = new DamageTally();
    private final SumsExchange exchange;
    private final CheckpointLoading loading;
    private final Mender mender;
    private final PeerAnswers answers;
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
        this.pinning = new TimedPinning(pinning);
        this.arenas = new ArenaPool(names, Pinning.NONE.equals(pinning) ? pinning : this.pinning);
        // A pool of its own: who once had an arena mapped for writing must not reach the shards of other checkpoints.
        this.lent = new LentArenas(
                host,
                new ArenaPool(names, this.pinning),
                leases,
                work -> Thread.ofVirtual().name("lend-arena").start(work),
                System::nanoTime);
        this.sources = new TensorSources(roots, this.pinning, lent);
        this.exchange = new SumsExchange(peerTimeout);
        var publications = new Publications(exchangeTimeout);
        this.loading = new CheckpointLoading(
                host, sources, arenas, threads, table, exchange, publications, damage, this::spare);
        this.mender = new Mender(roots, peerTimeout, damage, this::giveUp);
        this.answers = new PeerAnswers(host, table, publications, mender);
    }

    /**
     * What is at a checkpoint's source, with its headers checked; to be closed.
     *
     * @throws CheckpointNotFoundException if this host sees nothing there
     * @throws dev.inflight.protocol.checkpoint.CheckpointException if it can not be read or breaks the format
     */
    public TensorFiles open(String source) {
        return sources.open(source);
    }

    /** What is lent to trainers, who write checkpoints into it. */
    public LentArenas lentArenas() {
        return lent;
    }

    /** What other hosts are given and told. */
    public PeerAnswers forPeers() {
        return answers;
    }

    /**
     * Loads this host's shards of a checkpoint that is being published and builds its manifest with the other holders.
     *
     * @param progress told how many more bytes are done, by several threads
     * @return the checkpoint, now held
     * @throws RuntimeException naming file, tensor or peer; nothing is held then that was not before
     */
    public StoredCheckpoint load(HostStoreCommand.Load order, LongConsumer progress) throws InterruptedException {
        return loading.load(order, progress);
    }

    /**
     * Loads shards again whose holder is gone, from the files the checkpoint was published from. A host that does not
     * know the checkpoint loads all of it, since only that proves the files to be the same.
     *
     * @throws RuntimeException if the files are gone or are no longer what was published
     */
    public StoredCheckpoint restore(HostStoreCommand.Restore order, LongConsumer progress) throws InterruptedException {
        return loading.restore(order, progress);
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

    /** Unloads a checkpoint to make room for another; false if that gains nothing or can not be. */
    private boolean spare(String digest) {
        // Of one that lies in its own files nothing would be freed.
        boolean costs = table.held().stream()
                .anyMatch(held -> held.checkpoint().digest().equals(digest) && held.memoryBytes() > 0);
        boolean spared = costs && unload(digest);
        if (spared) {
            changed.run();
        }
        return spared;
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
        table.begun().happened();
        changed.run();
        return fresh;
    }

    private void free(StoredCheckpoint stored) {
        stored.release(memories -> ShardLoader.free(memories, arenas));
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
        var digests = new SliceDigests(checkpoint, share);
        digests.gather(holders, exchange);
        return digests;
    }

    @Override
    public void close() {
        table.removeAll().forEach(this::free);
        lent.close();
        arenas.close();
    }
}
