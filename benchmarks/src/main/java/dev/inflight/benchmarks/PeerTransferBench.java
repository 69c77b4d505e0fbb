package dev.inflight.benchmarks;

import dev.inflight.protocol.link.EngineShare;
import dev.inflight.worker.aeron.AeronNode;
import dev.inflight.worker.aeron.AeronSettings;
import dev.inflight.worker.aeron.Cast;
import dev.inflight.worker.aeron.CastLostException;
import dev.inflight.worker.aeron.CastReceiver;
import dev.inflight.worker.nccl.NcclId;
import dev.inflight.worker.nccl.RankArrival;
import dev.inflight.worker.transport.PeerConnection;
import dev.inflight.worker.transport.PeerException;
import dev.inflight.worker.transport.PeerServer;
import dev.inflight.worker.transport.PeerService;
import dev.inflight.worker.transport.PeerTransfer;
import dev.inflight.worker.transport.RateLimit;
import dev.inflight.worker.transport.SlotRange;
import dev.inflight.worker.transport.SlotRegion;
import dev.inflight.worker.transport.TransferKey;
import dev.inflight.worker.transport.TransferOffer;
import dev.inflight.worker.ucx.UcxException;
import dev.inflight.worker.ucx.UcxNode;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * How fast a {@link PeerTransfer} is over loopback by TCP, by UCX where the machine has it, and by a cast to one
 * receiver, beside a plain socket. Arguments: GiB to move in each measurement (default 8) and MiB per bucket (default
 * 256). Both sides run in this process, all ways in turn; the best of each is reported, and 0 for UCX where there is none.
 */
public final class PeerTransferBench {
    private static final int CHUNK_BYTES = 1 << 20;
    private static final int REPEATS = 3;
    private static final int AHEAD = 3;
    private static final Duration TIMEOUT = Duration.ofSeconds(15);
    private static final TransferKey KEY = new TransferKey(1, "owner", "consumer");

    private final MemorySegment source;
    private final MemorySegment landing;
    private final int buckets;

    private PeerTransferBench(Arena arena, long bucketBytes, int buckets) {
        this.source = arena.allocate(bucketBytes, CHUNK_BYTES).fill((byte) 0x5A);
        this.landing = arena.allocate(bucketBytes, CHUNK_BYTES).fill((byte) 1);
        this.buckets = buckets;
    }

    public static void main(String[] args) throws Exception {
        long gib = args.length > 0 ? Long.parseLong(args[0]) : 8;
        long bucketBytes = (args.length > 1 ? Long.parseLong(args[1]) : 256) << 20;
        int buckets = Math.toIntExact(Math.max(1, (gib << 30) / bucketBytes));
        try (Arena arena = Arena.ofShared()) {
            PeerTransferBench bench = new PeerTransferBench(arena, bucketBytes, buckets);
            double socket = 0;
            double transfer = 0;
            double ucx = 0;
            double cast = 0;
            for (int i = 0; i < REPEATS; i++) {
                socket = Math.max(socket, bench.gigabytesPerSecond("plain socket", bench::plainSocket));
                bench.landing.fill((byte) 0);
                transfer = Math.max(transfer, bench.gigabytesPerSecond("peer transfer", bench::peerTransfer));
                bench.requireArrived();
                ucx = Math.max(ucx, bench.ucx());
                bench.landing.fill((byte) 0);
                cast = Math.max(cast, bench.gigabytesPerSecond("cast", bench::cast));
                bench.requireArrived();
            }
            System.out.printf(
                    Locale.ROOT,
                    "{\"bench\":\"peer-transfer\",\"bytes\":%d,\"bucketBytes\":%d,"
                            + "\"socketGBps\":%.2f,\"transferGBps\":%.2f,\"ratio\":%.3f,"
                            + "\"ucxGBps\":%.2f,\"castGBps\":%.2f}%n",
                    bench.totalBytes(),
                    bucketBytes,
                    socket,
                    transfer,
                    transfer / socket,
                    ucx,
                    cast);
        }
    }

    private interface Run {
        void move() throws Exception;
    }

    private long totalBytes() {
        return source.byteSize() * buckets;
    }

    private double gigabytesPerSecond(String what, Run run) throws Exception {
        long start = System.nanoTime();
        run.move();
        double rate = (double) totalBytes() / (System.nanoTime() - start);
        System.out.printf(Locale.ROOT, "%-13s %.2f GB/s%n", what, rate);
        return rate;
    }

    /** The ceiling: the same bytes between the same memory, without frames, checksums or requests. */
    private void plainSocket() throws IOException, InterruptedException {
        try (ServerSocketChannel listener = ServerSocketChannel.open()) {
            listener.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
            Thread sender = Thread.ofVirtual().start(() -> sendAll(listener));
            try (SocketChannel socket = SocketChannel.open(listener.getLocalAddress())) {
                for (int bucket = 0; bucket < buckets; bucket++) {
                    for (long at = 0; at < landing.byteSize(); at += CHUNK_BYTES) {
                        ByteBuffer chunk = landing.asSlice(at, CHUNK_BYTES).asByteBuffer();
                        while (chunk.hasRemaining()) {
                            if (socket.read(chunk) < 0) {
                                throw new IOException("the plain socket ended early");
                            }
                        }
                    }
                }
            }
            sender.join();
        }
    }

    private void sendAll(ServerSocketChannel listener) {
        try (SocketChannel socket = listener.accept()) {
            for (int bucket = 0; bucket < buckets; bucket++) {
                for (long at = 0; at < source.byteSize(); at += CHUNK_BYTES) {
                    ByteBuffer chunk = source.asSlice(at, CHUNK_BYTES).asByteBuffer();
                    while (chunk.hasRemaining()) {
                        socket.write(chunk);
                    }
                }
            }
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    private double ucx() throws Exception {
        try (UcxNode sender = UcxNode.start();
                UcxNode receiver = UcxNode.start()) {
            landing.fill((byte) 0);
            double rate = gigabytesPerSecond("UCX", () -> peerTransfer(sender, receiver));
            requireArrived();
            return rate;
        } catch (UcxException e) {
            System.out.println("UCX: " + e.getMessage());
            return 0;
        }
    }

    /** Datagrams of 8 KiB, as worker hosts send them unless told otherwise. */
    private void cast() throws Exception {
        AeronSettings settings = new AeronSettings("127.0.0.1", "", 1, "", 8 << 10, 4 << 20, 2 << 20, TIMEOUT, TIMEOUT);
        Path directory =
                Path.of("/dev/shm/inflight-bench-" + ProcessHandle.current().pid());
        try (AeronNode sender = new AeronNode(directory.resolveSibling(directory.getFileName() + "-sender"), settings);
                AeronNode receiver =
                        new AeronNode(directory.resolveSibling(directory.getFileName() + "-receiver"), settings);
                Cast cast = sender.cast();
                CastReceiver in = receiver.receive(cast.offer())) {
            Thread sending = Thread.ofPlatform().start(() -> sendAll(cast));
            for (int bucket = 0; bucket < buckets; bucket++) {
                in.read(bucket, landing, TIMEOUT, () -> false);
            }
            sending.join();
        }
    }

    private void sendAll(Cast cast) {
        try {
            for (int bucket = 0; bucket < buckets; bucket++) {
                cast.send(bucket, source, TIMEOUT);
            }
        } catch (CastLostException | InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private void peerTransfer() throws IOException {
        peerTransfer(null, null);
    }

    private void peerTransfer(@Nullable UcxNode sender, @Nullable UcxNode receiver) throws IOException {
        InetSocketAddress bind = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
        try (PeerServer server =
                        PeerServer.start(bind, "bench", new SameBucket(source), TIMEOUT, RateLimit.none(), sender);
                PeerConnection connection = PeerConnection.connect(server.endpoint(), TIMEOUT);
                PeerTransfer transfer = connection.openTransfer(KEY, "another machine")) {
            if (receiver != null) {
                transfer.useUcx(receiver);
            }
            for (int bucket = 0; bucket < Math.min(AHEAD, buckets); bucket++) {
                transfer.request(bucket);
            }
            for (int bucket = 0; bucket < buckets; bucket++) {
                transfer.fetch(bucket, landing);
                transfer.consumed(bucket);
                if (bucket + AHEAD < buckets) {
                    transfer.request(bucket + AHEAD);
                }
            }
        }
    }

    private void requireArrived() {
        if (landing.mismatch(source) != -1) {
            throw new IllegalStateException("the bucket that arrived is not the one that was sent");
        }
    }

    private record SameBucket(MemorySegment bytes) implements PeerService {
        @Override
        public byte[] blockSums(String publishId, int shard) throws PeerException {
            throw new PeerException("no block sums here");
        }

        @Override
        public byte[] manifest(String digest) throws PeerException {
            throw new PeerException("no manifests here");
        }

        @Override
        public byte[] sliceDigests(String checkpoint, EngineShare share, int shard) throws PeerException {
            throw new PeerException("no digests here");
        }

        @Override
        public NcclId meet(RankArrival arrival) throws PeerException {
            throw new PeerException("no ranks here");
        }

        @Override
        public TransferOffer open(TransferKey key) {
            return new TransferOffer("this machine", List.of());
        }

        @Override
        public SlotRegion awaitBucket(TransferKey key, int bucket) {
            return new SlotRegion(new SlotRange(0, 0), bytes.byteSize());
        }

        @Override
        public MemorySegment bytes(TransferKey key, int bucket) {
            return bytes;
        }

        @Override
        public void consumed(TransferKey key, int bucket) {}

        @Override
        public void closed(TransferKey key, boolean clean) {}
    }
}
