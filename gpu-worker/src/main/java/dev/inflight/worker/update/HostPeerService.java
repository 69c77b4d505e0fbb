package dev.inflight.worker.update;

import dev.inflight.protocol.checkpoint.CheckpointException;
import dev.inflight.protocol.link.EngineShare;
import dev.inflight.worker.aeron.CastOffer;
import dev.inflight.worker.cast.PartCasts;
import dev.inflight.worker.nccl.NcclId;
import dev.inflight.worker.nccl.RankArrival;
import dev.inflight.worker.nccl.Rendezvous;
import dev.inflight.worker.store.CorruptBlockException;
import dev.inflight.worker.store.PeerAnswers;
import dev.inflight.worker.store.StoreException;
import dev.inflight.worker.transport.PartBytes;
import dev.inflight.worker.transport.PartCasting;
import dev.inflight.worker.transport.PartKey;
import dev.inflight.worker.transport.PeerException;
import dev.inflight.worker.transport.PeerService;
import dev.inflight.worker.transport.SlotRegion;
import dev.inflight.worker.transport.TransferKey;
import dev.inflight.worker.transport.TransferOffer;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** What a worker host offers to others: its store's documents and its workers' buckets. Thread-safe. */
public final class HostPeerService implements PeerService {
    private final PeerAnswers answers;
    private final TransferHub hub;
    private final JoinSettings joins;
    private final @Nullable Rendezvous rendezvous;
    private final @Nullable PartCasts casts;

    /** One that casts no parts. */
    public HostPeerService(PeerAnswers answers, TransferHub hub, JoinSettings joins, @Nullable Rendezvous rendezvous) {
        this(answers, hub, joins, rendezvous, null);
    }

    /**
     * @param rendezvous null if this host has no NCCL
     * @param casts null if this host casts no parts
     */
    public HostPeerService(
            PeerAnswers answers,
            TransferHub hub,
            JoinSettings joins,
            @Nullable Rendezvous rendezvous,
            @Nullable PartCasts casts) {
        this.answers = answers;
        this.hub = hub;
        this.joins = joins;
        this.rendezvous = rendezvous;
        this.casts = casts;
    }

    @Override
    public byte[] blockSums(String publishId, int shard) throws PeerException, InterruptedException {
        try {
            return answers.blockSums(publishId, shard);
        } catch (StoreException e) {
            throw new PeerException(String.valueOf(e.getMessage()), e);
        }
    }

    @Override
    public byte[] manifest(String digest) throws PeerException {
        try {
            return answers.manifest(digest);
        } catch (StoreException e) {
            throw new PeerException(String.valueOf(e.getMessage()), e);
        }
    }

    @Override
    public byte[] sliceDigests(String checkpoint, EngineShare share, int shard)
            throws PeerException, InterruptedException {
        try {
            return answers.sliceDigests(checkpoint, share, shard);
        } catch (StoreException | CorruptBlockException e) {
            throw new PeerException(String.valueOf(e.getMessage()), e);
        }
    }

    @Override
    public NcclId meet(RankArrival arrival) throws PeerException, InterruptedException {
        if (rendezvous == null) {
            throw new PeerException("this worker host has no NCCL");
        }
        try {
            return rendezvous.meet(arrival);
        } catch (Rendezvous.Failure e) {
            throw new PeerException(String.valueOf(e.getMessage()), e);
        }
    }

    @Override
    public @Nullable PartBytes part(PartKey part, String machine) throws PeerException, InterruptedException {
        try {
            return answers.part(part, joins.seesMemoryOf(machine), joins.partTimeout());
        } catch (StoreException | CheckpointException e) {
            throw new PeerException(String.valueOf(e.getMessage()), e);
        }
    }

    @Override
    public PartCasting castParts(String checkpoint, String machine) throws PeerException, InterruptedException {
        if (casts == null) {
            throw new PeerException("this worker host casts no parts");
        }
        return casts.enter(checkpoint, machine);
    }

    @Override
    public TransferOffer open(TransferKey key) throws PeerException, InterruptedException {
        return hub.open(key);
    }

    @Override
    public @Nullable CastOffer cast(TransferKey key) throws PeerException {
        return hub.cast(key);
    }

    @Override
    public SlotRegion awaitBucket(TransferKey key, int bucket) throws PeerException, InterruptedException {
        return hub.awaitBucket(key, bucket);
    }

    @Override
    public MemorySegment bytes(TransferKey key, int bucket) throws PeerException {
        return hub.bytes(key, bucket);
    }

    @Override
    public void consumed(TransferKey key, int bucket) throws PeerException {
        hub.consumed(key, bucket);
    }

    @Override
    public void closed(TransferKey key, boolean clean) {
        hub.closed(key, clean);
    }
}
