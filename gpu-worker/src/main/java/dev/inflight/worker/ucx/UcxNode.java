package dev.inflight.worker.ucx;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.LongAdder;
import org.openucx.jucx.UcxCallback;
import org.openucx.jucx.ucp.UcpContext;
import org.openucx.jucx.ucp.UcpEndpointParams;
import org.openucx.jucx.ucp.UcpParams;
import org.openucx.jucx.ucp.UcpRequest;
import org.openucx.jucx.ucp.UcpRequestParams;
import org.openucx.jucx.ucp.UcpWorker;
import org.openucx.jucx.ucp.UcpWorkerParams;
import org.openucx.jucx.ucs.UcsConstants;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * This process's end of UCX: its address, and the one thread that calls into UCX. The thread sleeps while nothing moves.
 * Thread-safe.
 */
public final class UcxNode implements AutoCloseable {
    /** Longer addresses, of hosts with very many devices, are not announced. */
    public static final int MAX_ADDRESS_BYTES = 16 << 10;

    private static final Logger LOG = LoggerFactory.getLogger(UcxNode.class);

    private final UcpWorker worker;
    private final UcxDevices devices;
    private final byte[] address;
    private final Queue<Runnable> tasks = new ConcurrentLinkedQueue<>();
    private final AtomicInteger inboxes = new AtomicInteger();
    private final LongAdder received = new LongAdder();
    private final Object closing = new Object();
    private final Thread thread;
    private volatile boolean closed;

    private UcxNode(UcpWorker worker, UcxDevices devices) {
        this.worker = worker;
        this.devices = devices;
        this.address = bytes(worker.getAddress());
        this.thread = Thread.ofPlatform().daemon().name("inflight-ucx").unstarted(this::run);
    }

    /** @throws UcxException if there is no UCX on this host, or it does not start */
    public static UcxNode start() throws UcxException {
        try {
            var library = UcxLibrary.load();
            var context = new UcpContext(new UcpParams().requestTagFeature().requestWakeupFeature());
            var devices = UcxDevices.parse(library.describe(context));
            var worker = context.newWorker(new UcpWorkerParams()
                    .requestWakeupRX()
                    .requestWakeupTX()
                    .requestWakeupTagRecv()
                    .requestWakeupTagSend());
            var node = new UcxNode(worker, devices);
            if (node.address.length > MAX_ADDRESS_BYTES) {
                throw new UcxException("its address has " + node.address.length + " bytes; at most " + MAX_ADDRESS_BYTES
                        + " can be announced, leave devices out with UCX_NET_DEVICES");
            }
            node.thread.start();
            return node;
        } catch (RuntimeException | LinkageError e) {
            // What was begun of UCX stays; it is used for nothing.
            throw new UcxException("UCX does not start: " + e.getMessage(), e);
        }
    }

    private static byte[] bytes(ByteBuffer buffer) {
        var bytes = new byte[buffer.remaining()];
        buffer.get(bytes);
        return bytes;
    }

    /** Where others send to; at most {@value #MAX_ADDRESS_BYTES} bytes. */
    public byte[] address() {
        return address.clone();
    }

    public UcxDevices devices() {
        return devices;
    }

    /** Bytes of messages that came here so far. */
    public long receivedBytes() {
        return received.sum();
    }

    void came(long bytes) {
        received.add(bytes);
    }

    /** Buffers for messages that somebody is about to send here. */
    public UcxInbox inbox() {
        return new UcxInbox(this, inboxes.incrementAndGet());
    }

    /**
     * A way to another node. Nothing is sent yet: whether it can be reached shows with the first message.
     *
     * @param peer the other's {@link #address}
     */
    public UcxOutbox outbox(byte[] peer) {
        return new UcxOutbox(this, peer);
    }

    /** Only on the node's thread. */
    org.openucx.jucx.ucp.UcpEndpoint connect(byte[] peer, Runnable failed) {
        var direct = ByteBuffer.allocateDirect(peer.length).put(peer).flip();
        return worker.newEndpoint(new UcpEndpointParams()
                .setUcpAddress(direct)
                .setPeerErrorHandlingMode()
                .setErrorHandler((endpoint, status, message) -> {
                    LOG.debug("a UCX endpoint failed: {}", message);
                    failed.run();
                }));
    }

    /** Only on the node's thread. */
    UcpRequest receive(MemorySegment target, long tag, CompletableFuture<Long> arrived) {
        return worker.recvTaggedNonBlocking(
                target.address(),
                target.byteSize(),
                tag,
                -1L,
                new UcxCallback() {
                    @Override
                    public void onSuccess(UcpRequest request) {
                        arrived.complete(request.getRecvSize());
                    }

                    @Override
                    public void onError(int status, String message) {
                        arrived.completeExceptionally(new UcxException(message));
                    }
                },
                hostMemory());
    }

    /** Only on the node's thread. */
    void cancel(UcpRequest request) {
        if (!request.isCompleted()) {
            worker.cancelRequest(request);
        }
    }

    /** Without it UCX older than JUCX refuses the kind of memory that JUCX means by "unknown". */
    static UcpRequestParams hostMemory() {
        return new UcpRequestParams().setMemoryType(UcsConstants.MEMORY_TYPE.UCS_MEMORY_TYPE_HOST);
    }

    /** Runs something on the node's thread, soon; never if the node is closed. */
    boolean execute(Runnable task) {
        tasks.add(task);
        synchronized (closing) {
            if (closed) {
                return false;
            }
            worker.signal();
        }
        return true;
    }

    private void run() {
        try {
            while (!closed) {
                if (!runTasks() && worker.progress() == 0) {
                    worker.waitForEvents();
                }
            }
        } catch (Exception e) {
            LOG.error("UCX is not used any more", e);
            closed = true;
        }
    }

    private boolean runTasks() {
        boolean any = false;
        for (var task = tasks.poll(); task != null; task = tasks.poll()) {
            any = true;
            try {
                task.run();
            } catch (RuntimeException e) {
                LOG.error("a call of UCX failed", e);
            }
        }
        return any;
    }

    /** Inboxes and outboxes must be closed before. */
    @Override
    public void close() {
        synchronized (closing) {
            if (closed) {
                return;
            }
            closed = true;
            worker.signal();
        }
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        // UCX itself is left as it is until the process ends: with requests still on their way to a peer that is gone,
        // destroying its worker can fail an assertion of UCX 1.13 (ucp_request_send_state_ff), which ends the process.
    }
}
