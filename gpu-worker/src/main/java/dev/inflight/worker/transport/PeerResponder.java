package dev.inflight.worker.transport;

import dev.inflight.protocol.cluster.BandwidthLimit;
import dev.inflight.worker.aeron.CastOffer;
import dev.inflight.worker.nccl.RankArrival;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.BitSet;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Answers the requests of one connection, in order, on a virtual thread of its own. */
final class PeerResponder {
    /** Requests a client may have outstanding; more is a protocol violation, so memory stays bounded. */
    static final int MAX_OUTSTANDING = 64;

    private static final Logger LOG = LoggerFactory.getLogger(PeerResponder.class);

    /** How a client wants a bucket. */
    private enum Way {
        BYTES,
        MAPPED,
        CAST
    }

    private sealed interface Request {
        record BlockSums(String publishId, int shard) implements Request {}

        record Manifest(String digest) implements Request {}

        record SliceDigests(Payload.SliceDigestsQuery query) implements Request {}

        record Meet(RankArrival arrival) implements Request {}

        record Limits(List<BandwidthLimit> limits) implements Request {}

        record Part(Payload.PartQuery query) implements Request {}

        record CastParts(Payload.CastPartsQuery query) implements Request {}

        record PartsWanted(BitSet parts) implements Request {}

        record Ucx(Payload.UcxQuery query) implements Request {}

        record Open(TransferKey key) implements Request {}

        record JoinCast() implements Request {}

        record Bucket(int bucket, Way way) implements Request {}

        record Again(int bucket) implements Request {}

        record Stop() implements Request {}
    }

    private final FrameChannel channel;
    private final ChunkWriter chunks;
    private final PeerService service;
    private final ConnectionPace pace;
    private final Consumer<PeerSession.Ending> ending;
    private final BlockingQueue<Request> requests = new ArrayBlockingQueue<>(MAX_OUTSTANDING);
    private final Thread thread;

    /** Asked for and not consumed yet; guarded by this. */
    private final Set<Integer> asked = new HashSet<>();

    /** Handed out and not consumed yet; guarded by this. */
    private final Set<Integer> delivered = new HashSet<>();

    private volatile @Nullable TransferKey transfer;

    /** Joined by the client; of the thread alone. */
    private @Nullable PartCasting casting;

    PeerResponder(
            FrameChannel channel,
            ChunkWriter chunks,
            PeerService service,
            ConnectionPace pace,
            Consumer<PeerSession.Ending> ending) {
        this.channel = channel;
        this.chunks = chunks;
        this.service = service;
        this.pace = pace;
        this.ending = ending;
        this.thread =
                Thread.ofVirtual().name("peer-responder " + channel.peer()).unstarted(this::run);
    }

    void start() {
        thread.start();
    }

    /**
     * Interrupts what the service is doing for this connection, and returns when it has stopped. A transfer that has
     * given everything is not interrupted: that could break off the write that has only just brought the last bucket.
     */
    void stop() throws InterruptedException {
        if (!hasGivenEverything() || !requests.offer(new Request.Stop())) {
            thread.interrupt();
        }
        thread.join();
    }

    private synchronized boolean hasGivenEverything() {
        return transfer != null && asked.isEmpty();
    }

    /** The open transfer, if any. */
    @Nullable
    TransferKey transfer() {
        return transfer;
    }

    /** Tells the service that the transfer is over, if one is open. Called after {@link #stop}. */
    synchronized void closeTransfer(boolean finished) {
        TransferKey key = transfer;
        if (key == null) {
            return;
        }
        transfer = null;
        try {
            service.closed(key, finished && asked.isEmpty());
        } catch (RuntimeException e) {
            LOG.error("closing {}", key, e);
        }
    }

    /** Takes a request on the reader's thread; does not block on anything but {@link PeerService#consumed}. */
    void take(Frame frame, ByteBuffer payload) throws PeerException, MalformedPayloadException {
        switch (frame.op()) {
            case BLOCK_SUMS -> {
                Payload.BlockSumsQuery query = Payload.blockSumsQuery(payload);
                enqueue(new Request.BlockSums(query.publishId(), query.shard()));
            }
            case MANIFEST -> enqueue(new Request.Manifest(Payload.manifestQuery(payload)));
            case SLICE_DIGESTS -> enqueue(new Request.SliceDigests(Payload.sliceDigestsQuery(payload)));
            case MEET -> enqueue(new Request.Meet(Payload.arrival(payload)));
            case LIMITS -> enqueue(new Request.Limits(Payload.limits(payload)));
            case PART -> enqueue(new Request.Part(Payload.partQuery(payload)));
            case CAST_PARTS -> enqueue(new Request.CastParts(Payload.castPartsQuery(payload)));
            case PARTS_WANTED -> enqueue(new Request.PartsWanted(Payload.partsWanted(payload)));
            case UCX -> enqueue(new Request.Ucx(Payload.ucxQuery(payload)));
            case OPEN -> enqueue(new Request.Open(Payload.key(payload)));
            case CAST -> enqueue(new Request.JoinCast());
            case REQUEST_BYTES -> ask(frame.tag(), Way.BYTES);
            case REQUEST_SLOT -> ask(frame.tag(), Way.MAPPED);
            case REQUEST_CAST -> ask(frame.tag(), Way.CAST);
            case RESEND -> enqueue(new Request.Again(frame.tag()));
            case CONSUMED -> consumed(frame.tag());
            default -> throw new PeerException("clients do not send it");
        }
    }

    private void enqueue(Request request) throws PeerException {
        if (!requests.offer(request)) {
            throw new PeerException("more than " + MAX_OUTSTANDING + " requests are outstanding");
        }
    }

    private synchronized void ask(int bucket, Way way) throws PeerException {
        if (transfer == null) {
            throw new PeerException("no transfer is open");
        }
        if (!asked.add(bucket)) {
            throw new PeerException("bucket " + bucket + " was asked for already");
        }
        enqueue(new Request.Bucket(bucket, way));
    }

    private synchronized void consumed(int bucket) throws PeerException {
        TransferKey key = transfer;
        if (key == null || !delivered.remove(bucket)) {
            throw new PeerException("bucket " + bucket + " was not delivered");
        }
        asked.remove(bucket);
        service.consumed(key, bucket);
    }

    private void run() {
        try {
            while (answer(requests.take())) {
                // Until told to stop.
            }
        } catch (InterruptedException stopped) {
            ending.accept(new PeerSession.Ending.Vanished("stopped"));
        } catch (PeerException e) {
            ending.accept(new PeerSession.Ending.Refused(String.valueOf(e.getMessage())));
        } catch (RuntimeException e) {
            LOG.error("serving peer {}", channel.peer(), e);
            ending.accept(new PeerSession.Ending.Refused("internal error: " + e));
        } finally {
            chunks.close();
            leaveCasting();
            pace.close();
        }
    }

    /** @return false if this was the last request */
    private boolean answer(Request request) throws PeerException, InterruptedException {
        switch (request) {
            case Request.BlockSums sums -> answerDocument(() -> service.blockSums(sums.publishId(), sums.shard()));
            case Request.Manifest manifest -> answerDocument(() -> service.manifest(manifest.digest()));
            case Request.SliceDigests digests -> answerDocument(() -> sliceDigests(digests.query()));
            case Request.Meet meet -> channel.send(Op.GROUP, 0, Payload.group(service.meet(meet.arrival())));
            case Request.Limits limits -> pace.keepTo(limits.limits());
            case Request.Part part -> givePart(part.query());
            case Request.CastParts join -> castParts(join.query());
            case Request.PartsWanted wanted -> castWanted(wanted.parts());
            case Request.Ucx ucx -> channel.send(Op.UCX_ANSWER, 0, Payload.message(chunks.useUcx(ucx.query())));
            case Request.Open open -> open(open.key());
            case Request.JoinCast join -> channel.send(Op.CAST_AT, 0, Payload.castAt(cast()));
            case Request.Bucket bucket -> deliver(bucket.bucket(), bucket.way());
            case Request.Again bucket -> deliverAgain(bucket.bucket());
            case Request.Stop stop -> {
                return false;
            }
        }
        return true;
    }

    private interface Document {
        byte[] load() throws PeerException, InterruptedException;
    }

    /** A document that cannot be had does not end the connection. */
    private void answerDocument(Document document) throws PeerException, InterruptedException {
        byte[] bytes;
        try {
            bytes = document.load();
        } catch (PeerException e) {
            channel.send(Op.FAILED, 0, Payload.message(String.valueOf(e.getMessage())));
            return;
        }
        channel.send(Op.DOCUMENT, 0, Payload.length(bytes.length));
        chunks.write(MemorySegment.ofArray(bytes), count -> {});
    }

    private byte[] sliceDigests(Payload.SliceDigestsQuery query) throws PeerException, InterruptedException {
        return service.sliceDigests(query.checkpoint(), query.share(), query.shard());
    }

    private void open(TransferKey key) throws PeerException, InterruptedException {
        if (transfer != null) {
            throw new PeerException("this connection serves a transfer already; open another connection");
        }
        TransferOffer offer = service.open(key);
        transfer = key;
        channel.send(Op.OFFER, 0, Payload.offer(offer));
    }

    private CastOffer cast() throws PeerException {
        var offer = service.cast(opened());
        return offer == null ? new CastOffer("", 0, 0) : offer;
    }

    private TransferKey opened() throws PeerException {
        TransferKey key = transfer;
        if (key == null) {
            throw new PeerException("no transfer is open");
        }
        return key;
    }

    private void deliver(int bucket, Way way) throws PeerException, InterruptedException {
        TransferKey key = opened();
        SlotRegion region = service.awaitBucket(key, bucket);
        synchronized (this) {
            delivered.add(bucket);
        }
        if (way == Way.MAPPED) {
            channel.send(Op.READY, bucket, Payload.ready(region.at(), region.length()));
        } else if (way == Way.CAST && service.cast(key) != null) {
            channel.send(Op.CASTING, bucket, Payload.length(region.length()));
        } else {
            sendBucket(key, bucket);
        }
    }

    /** What was cast did not arrive. */
    private void deliverAgain(int bucket) throws PeerException, InterruptedException {
        synchronized (this) {
            if (!delivered.contains(bucket)) {
                throw new PeerException("bucket " + bucket + " was not delivered");
            }
        }
        sendBucket(opened(), bucket);
    }

    private void sendBucket(TransferKey key, int bucket) throws PeerException, InterruptedException {
        var bytes = service.bytes(key, bucket);
        channel.send(Op.BUCKET, bucket, Payload.length(bytes.byteSize()));
        chunks.write(bytes, pace::takeBucket);
    }

    private void givePart(Payload.PartQuery query) throws PeerException, InterruptedException {
        try (var part = service.part(query.part(), query.machine())) {
            if (part == null) {
                channel.send(Op.PART_ABSENT, 0);
                return;
            }
            long bytes = part.bytes().byteSize();
            if (part.file() != null) {
                channel.send(Op.PART_AT, 0, Payload.partAt(new Payload.PartAt(part.file(), bytes)));
                return;
            }
            channel.send(Op.PART_BYTES, 0, Payload.length(bytes));
            chunks.write(part.bytes(), pace::takePart);
        }
    }

    private void castParts(Payload.CastPartsQuery query) throws PeerException, InterruptedException {
        if (casting != null) {
            throw new PeerException("this connection has a cast of parts already; open another connection");
        }
        var joined = service.castParts(query.checkpoint(), query.machine());
        casting = joined;
        channel.send(Op.CAST_AT, 0, Payload.castAt(joined.offer()));
    }

    /** Until the client leaves. */
    private void castWanted(BitSet parts) throws PeerException, InterruptedException {
        var joined = casting;
        if (joined == null) {
            throw new PeerException("no cast of parts was joined");
        }
        joined.cast(parts);
    }

    private void leaveCasting() {
        var joined = casting;
        casting = null;
        if (joined != null) {
            joined.close();
        }
    }
}
