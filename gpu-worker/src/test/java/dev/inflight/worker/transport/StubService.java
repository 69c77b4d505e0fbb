package dev.inflight.worker.transport;

import dev.inflight.protocol.link.EngineShare;
import dev.inflight.worker.nccl.NcclId;
import dev.inflight.worker.nccl.RankArrival;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicInteger;

/** Serves what a test put in, and records what it was told. Buckets that are not there yet are waited for. */
final class StubService implements PeerService {
    record Closed(TransferKey key, boolean clean) {}

    final Map<String, byte[]> documents = new ConcurrentHashMap<>();
    final List<SlotInfo> slots = new ArrayList<>();
    final BlockingQueue<Integer> awaited = new LinkedBlockingQueue<>();
    final BlockingQueue<Integer> consumed = new LinkedBlockingQueue<>();
    final BlockingQueue<Closed> closed = new LinkedBlockingQueue<>();
    final BlockingQueue<RankArrival> arrived = new LinkedBlockingQueue<>();
    final AtomicInteger opened = new AtomicInteger();
    volatile NcclId newId = NcclId.of(new byte[NcclId.BYTES]);
    volatile String machine = "elsewhere";
    private final Map<Integer, CompletableFuture<SlotRegion>> buckets = new ConcurrentHashMap<>();

    final Map<PartKey, CompletableFuture<PartBytes>> parts = new ConcurrentHashMap<>();
    private final Map<Integer, MemorySegment> contents = new ConcurrentHashMap<>();

    void put(int bucket, int slot, MemorySegment bytes) {
        contents.put(bucket, bytes);
        future(bucket).complete(new SlotRegion(new SlotRange(slot, 0), bytes.byteSize()));
    }

    void fail(int bucket, Exception cause) {
        future(bucket).completeExceptionally(cause);
    }

    private CompletableFuture<SlotRegion> future(int bucket) {
        return buckets.computeIfAbsent(bucket, b -> new CompletableFuture<>());
    }

    @Override
    public byte[] blockSums(String publishId, int shard) throws PeerException {
        return document(publishId + "/" + shard);
    }

    @Override
    public byte[] manifest(String digest) throws PeerException {
        return document(digest);
    }

    @Override
    public byte[] sliceDigests(String checkpoint, EngineShare share, int shard) throws PeerException {
        return document(checkpoint + "/" + share + "/" + shard);
    }

    private byte[] document(String name) throws PeerException {
        byte[] document = documents.get(name);
        if (document == null) {
            throw new PeerException("no document " + name);
        }
        return document;
    }

    /** Ranks of negative epochs never come together. */
    @Override
    public NcclId meet(RankArrival arrival) throws PeerException {
        arrived.add(arrival);
        if (arrival.epoch() < 0) {
            throw new PeerException("epoch " + arrival.epoch() + " is over");
        }
        return arrival.held() == null ? newId : arrival.held();
    }

    /** Parts that a test did not put in never come. */
    @Override
    public PartBytes part(PartKey part, String asker) throws PeerException, InterruptedException {
        try {
            return parts.computeIfAbsent(part, key -> new CompletableFuture<>()).get();
        } catch (ExecutionException e) {
            throw new PeerException(String.valueOf(e.getCause().getMessage()), e);
        }
    }

    @Override
    public TransferOffer open(TransferKey key) throws PeerException {
        if (key.epoch() < 0) {
            throw new PeerException("epoch " + key.epoch() + " is over");
        }
        opened.incrementAndGet();
        return new TransferOffer(machine, slots);
    }

    @Override
    public SlotRegion awaitBucket(TransferKey key, int bucket) throws PeerException, InterruptedException {
        awaited.add(bucket);
        try {
            return future(bucket).get();
        } catch (ExecutionException e) {
            if (e.getCause() instanceof PeerException refused) {
                throw refused;
            }
            throw new IllegalStateException(e.getCause());
        }
    }

    @Override
    public MemorySegment bytes(TransferKey key, int bucket) throws PeerException {
        var bytes = contents.get(bucket);
        if (bytes == null) {
            throw new PeerException("bucket " + bucket + " is not in a slot");
        }
        return bytes;
    }

    @Override
    public void consumed(TransferKey key, int bucket) {
        consumed.add(bucket);
    }

    @Override
    public void closed(TransferKey key, boolean clean) {
        closed.add(new Closed(key, clean));
    }
}
