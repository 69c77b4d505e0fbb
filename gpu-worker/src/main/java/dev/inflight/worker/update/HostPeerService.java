package dev.inflight.worker.update;

import dev.inflight.protocol.checkpoint.CheckpointException;
import dev.inflight.protocol.link.TensorParallel;
import dev.inflight.worker.store.CorruptBlockException;
import dev.inflight.worker.store.HostStore;
import dev.inflight.worker.store.StoreException;
import dev.inflight.worker.transport.PartBytes;
import dev.inflight.worker.transport.PartKey;
import dev.inflight.worker.transport.PeerException;
import dev.inflight.worker.transport.PeerService;
import dev.inflight.worker.transport.SlotRegion;
import dev.inflight.worker.transport.TransferKey;
import dev.inflight.worker.transport.TransferOffer;
import java.lang.foreign.MemorySegment;

/** What a worker host offers to others: its store's documents and its workers' buckets. Thread-safe. */
public final class HostPeerService implements PeerService {
    private final HostStore store;
    private final TransferHub hub;
    private final JoinSettings joins;

    public HostPeerService(HostStore store, TransferHub hub, JoinSettings joins) {
        this.store = store;
        this.hub = hub;
        this.joins = joins;
    }

    @Override
    public byte[] blockSums(String publishId, int shard) throws PeerException, InterruptedException {
        try {
            return store.blockSums(publishId, shard);
        } catch (StoreException e) {
            throw new PeerException(String.valueOf(e.getMessage()), e);
        }
    }

    @Override
    public byte[] manifest(String digest) throws PeerException {
        try {
            return store.manifest(digest);
        } catch (StoreException e) {
            throw new PeerException(String.valueOf(e.getMessage()), e);
        }
    }

    @Override
    public byte[] sliceDigests(String checkpoint, TensorParallel share, int shard)
            throws PeerException, InterruptedException {
        try {
            return store.sliceDigests(checkpoint, share, shard);
        } catch (StoreException | CorruptBlockException e) {
            throw new PeerException(String.valueOf(e.getMessage()), e);
        }
    }

    @Override
    public PartBytes part(PartKey part, String machine) throws PeerException, InterruptedException {
        try {
            return store.part(part, joins.seesMemoryOf(machine), joins.partTimeout());
        } catch (StoreException | CheckpointException e) {
            throw new PeerException(String.valueOf(e.getMessage()), e);
        }
    }

    @Override
    public TransferOffer open(TransferKey key) throws PeerException, InterruptedException {
        return hub.open(key);
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
