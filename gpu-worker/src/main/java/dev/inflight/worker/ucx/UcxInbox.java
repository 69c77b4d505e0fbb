package dev.inflight.worker.ucx;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;
import org.openucx.jucx.ucp.UcpRequest;

/**
 * Messages from one sender, in the order of their tags, in buffers of this inbox. At most {@value #WINDOW} are expected
 * at a time, which is what paces the sender. For one thread. The memory is given back once UCX has let go of it.
 */
public final class UcxInbox implements AutoCloseable {
    /** Messages that may be on their way. */
    public static final int WINDOW = 8;

    /** Most bytes of a message. */
    public static final int MESSAGE_BYTES = 1 << 20;

    private final UcxNode node;
    private final long firstTag;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment buffers;
    private final Deque<Expected> expected = new ArrayDeque<>();
    private long next;

    private static final class Expected {
        final MemorySegment buffer;
        final CompletableFuture<Long> arrived = new CompletableFuture<>();

        /** For the node's thread only. */
        @Nullable
        UcpRequest request;

        Expected(MemorySegment buffer) {
            this.buffer = buffer;
        }
    }

    UcxInbox(UcxNode node, int number) {
        this.node = node;
        this.firstTag = (long) number << Integer.SIZE;
        this.buffers = arena.allocate((long) WINDOW * MESSAGE_BYTES, 1 << 12);
    }

    /** Tag of the first message; the following ones count up from it. */
    public long firstTag() {
        return firstTag;
    }

    /** How many more messages may be expected now. */
    public int room() {
        return WINDOW - expected.size();
    }

    /**
     * Makes room for the next message.
     *
     * @param bytes its length
     */
    public void expect(int bytes) {
        if (room() == 0 || bytes > MESSAGE_BYTES) {
            throw new IllegalStateException(
                    expected.size() + " messages are expected already, or " + bytes + " bytes are too many for one");
        }
        var slot = new Expected(buffers.asSlice(next % WINDOW * MESSAGE_BYTES, bytes));
        long tag = firstTag + next++;
        expected.add(slot);
        if (!node.execute(() -> receive(slot, tag))) {
            slot.arrived.completeExceptionally(new UcxException("UCX was shut down"));
        }
    }

    private void receive(Expected slot, long tag) {
        try {
            slot.request = node.receive(slot.buffer, tag, slot.arrived);
        } catch (org.openucx.jucx.UcxException e) {
            slot.arrived.completeExceptionally(new UcxException(String.valueOf(e.getMessage()), e));
        }
    }

    /**
     * Waits for the message that was expected first.
     *
     * @return its bytes, valid until the next call of {@link #expect}
     * @throws UcxException if the sender is gone, it does not come in time, or has another length
     */
    public MemorySegment take(Duration patience) throws UcxException, InterruptedException {
        var slot = expected.element();
        try {
            long bytes = slot.arrived.get(patience.toMillis(), TimeUnit.MILLISECONDS);
            // JUCX does not know the length of what had come before it was expected.
            if (bytes != 0 && bytes != slot.buffer.byteSize()) {
                throw new UcxException(
                        "a message of " + bytes + " bytes came where " + slot.buffer.byteSize() + " were expected");
            }
            expected.remove();
            node.came(slot.buffer.byteSize());
            return slot.buffer;
        } catch (ExecutionException e) {
            throw new UcxException(UcxException.reason(e), e);
        } catch (TimeoutException e) {
            throw new UcxException("a message did not come within " + patience.toMillis() + " ms", e);
        }
    }

    /** Expects nothing more. */
    @Override
    public void close() {
        var left = expected.toArray(Expected[]::new);
        expected.clear();
        if (!node.execute(() -> cancel(left))) {
            return; // UCX may still write: the memory stays.
        }
        var arrivals = new CompletableFuture<?>[left.length];
        for (int i = 0; i < left.length; i++) {
            arrivals[i] = left[i].arrived;
        }
        var ignored = CompletableFuture.allOf(arrivals).whenComplete((ok, error) -> arena.close());
    }

    private void cancel(Expected[] left) {
        for (var slot : left) {
            if (slot.request != null) {
                node.cancel(slot.request);
            }
        }
    }
}
