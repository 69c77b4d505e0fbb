package dev.inflight.worker.nccl;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import java.util.function.IntSupplier;
import org.jspecify.annotations.Nullable;

/**
 * One rank of a group of GPUs.
 *
 * <p><b>CUDA.</b> The thread that calls {@link #create} or {@link #broadcast} must have made the primary context of the
 * rank's GPU current ({@code cuCtxSetCurrent}); NCCL takes the GPU from there. Only platform threads: a context is
 * current on a carrier, not on a virtual thread. One process may have several ranks, one per GPU, if each is created
 * from a thread of its own, at the same time; NCCL then gives their resources back when the last of them has ended.
 *
 * <p><b>Threads.</b> One thread at a time may broadcast or close. {@link #check} and {@link #abort} may be called from
 * any thread at any time. Interrupting a thread that waits for NCCL here aborts the communicator.
 *
 * <p><b>Bounds.</b> No method waits for peers longer than the bound given to {@link #create}, and the same again, but
 * at least three seconds, for NCCL to let go of a communicator that ends. Work on a stream is not covered: wait for it with a deadline, and abort
 * when that has passed.
 *
 * <p>Once a communicator is aborted or closed, every method but {@link #abort} and {@link #close} throws {@link
 * NcclException}, as they all do when NCCL fails; the message names the rank, the call, NCCL's result and its last
 * error. After a failure only abort or close are of use.
 */
public final class NcclCommunicator implements AutoCloseable {
    private static final long FIRST_PAUSE_NS = 20_000;
    private static final long LONGEST_PAUSE_NS = 1_000_000;
    /** Letting go stops threads and frees memory on the GPU, which takes its time however short the bound is. */
    private static final Duration SHORTEST_RELEASE_BOUND = Duration.ofSeconds(3);

    private final NcclLibrary library;
    private final NcclBindings nccl;
    private final long handle;
    private final int ranks;
    private final int rank;
    private final Duration bound;
    private final Gate gate = new Gate();
    /** Why the communicator is of no use any more, null while it is. */
    private final AtomicReference<@Nullable String> ended = new AtomicReference<>();

    private NcclCommunicator(NcclLibrary library, long handle, int ranks, int rank, Duration bound) {
        this.library = library;
        this.nccl = library.bindings();
        this.handle = handle;
        this.ranks = ranks;
        this.rank = rank;
        this.bound = bound;
    }

    /** A piece of device memory: its address and its length in bytes. */
    public record Span(long address, long bytes) {
        /** @throws IllegalArgumentException if the address is null or the length not positive */
        public Span {
            if (address == 0 || bytes <= 0) {
                throw new IllegalArgumentException(
                        "a span needs an address and bytes, this is " + bytes + " bytes at " + address);
            }
        }
    }

    /**
     * Joins a group and waits for the other ranks.
     *
     * @param id the same for all ranks, and for no other group
     * @param bound the longest wait for the others here and in later calls
     * @throws NcclException if they did not all come in time, or NCCL fails; nothing is left behind
     */
    public static NcclCommunicator create(NcclLibrary library, NcclId id, int ranks, int rank, Duration bound) {
        Objects.checkIndex(rank, ranks);
        refuseBlocking(System.getenv("NCCL_COMM_BLOCKING"));
        String call = "ncclCommInitRankConfig";
        // Never freed: until the ranks have met, a thread of NCCL may write here.
        MemorySegment slot = Arena.global().allocate(ADDRESS);
        int result;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment unique = arena.allocateFrom(JAVA_BYTE, id.bytes());
            result = library.bindings().commInitRankConfig(slot, ranks, unique, rank, NcclConfig.nonBlocking(arena));
        }
        long handle = slot.get(ADDRESS, 0).address();
        NcclCommunicator communicator = new NcclCommunicator(library, handle, ranks, rank, bound);
        if (handle == 0) {
            throw communicator.failure(call, library.explain(result));
        }
        try {
            communicator.settle(call, result);
        } catch (NcclException e) {
            throw communicator.abortBecause(e);
        }
        return communicator;
    }

    static void refuseBlocking(@Nullable String setting) {
        if (setting != null && !setting.equals("0")) {
            throw new NcclException("NCCL_COMM_BLOCKING=" + setting + ": NCCL would wait for peers forever, unset it");
        }
    }

    public int ranks() {
        return ranks;
    }

    public int rank() {
        return rank;
    }

    /**
     * Puts a broadcast on a stream: from the root's memory into everybody else's. Returns when it is on the stream, not
     * when it is done. All ranks must broadcast the same lengths from the same roots in the same order.
     *
     * @param address device memory, sent from at the root and received into elsewhere
     * @param bytes its length, more than 0
     * @param root the rank that sends
     * @param stream the {@code CUstream}'s handle
     */
    public void broadcast(long address, long bytes, int root, long stream) {
        Span span = new Span(address, bytes);
        Objects.checkIndex(root, ranks);
        String call = "ncclBroadcast";
        settle(call, enter(call, () -> nccl.broadcast(span.address(), span.bytes(), root, handle, stream)));
    }

    /** Like {@link #broadcast(long, long, int, long)}, but puts all spans on the stream as one kernel. */
    public void broadcast(List<Span> spans, int root, long stream) {
        Objects.checkIndex(root, ranks);
        String call = "ncclBroadcast of " + spans.size() + " spans";
        settle(call, enter(call, () -> group(spans, root, stream)));
    }

    /**
     * Looks for errors that NCCL met by itself. Never waits: says nothing while another thread's call is inside NCCL.
     *
     * @throws NcclException if there is one
     */
    public void check() {
        String call = "ncclCommGetAsyncError";
        failIfEnded(call);
        if (!gate.tryEnter()) {
            return;
        }
        int state;
        try {
            state = asyncError(call);
        } finally {
            gate.leave();
        }
        if (state != NcclBindings.SUCCESS && state != NcclBindings.IN_PROGRESS) {
            throw failure(call, library.explain(state));
        }
    }

    /**
     * Ends the communicator and every kernel of it that waits for a peer; what these were to receive is undefined. Only
     * the first call does something, and none after {@link #close}. Does not wait for a call that is stuck in NCCL.
     *
     * @throws NcclException if NCCL refuses, or did not let go within the bound; the process should then be replaced
     */
    public void abort() {
        abort("it was asked to");
    }

    /**
     * Ends the communicator in good order: waits for the streams before. Aborts it if that fails or takes longer than
     * the bound. Does nothing if it has ended already.
     *
     * @throws NcclException if it had to be aborted
     */
    @Override
    public void close() {
        if (ended.get() != null) {
            return;
        }
        String call = "ncclCommFinalize";
        try {
            settle(call, enter(call, () -> nccl.commFinalize(handle)));
        } catch (NcclException e) {
            throw abortBecause(e);
        }
        if (ended.compareAndSet(null, "closed")) {
            release("ncclCommDestroy", () -> nccl.commDestroy(handle));
        }
    }

    @Override
    public String toString() {
        return "NCCL rank " + rank + " of " + ranks;
    }

    private void abort(String why) {
        if (ended.compareAndSet(null, "aborted because " + why)) {
            release("ncclCommAbort", () -> nccl.commAbort(handle));
        }
    }

    private NcclException abortBecause(NcclException failure) {
        try {
            abort(String.valueOf(failure.getMessage()));
        } catch (NcclException e) {
            failure.addSuppressed(e);
        }
        return failure;
    }

    /** Frees the communicator: no call is in NCCL now, or it is stuck there, and none will enter. */
    private void release(String call, IntSupplier function) {
        gate.awaitEmpty();
        Duration patience = bound.compareTo(SHORTEST_RELEASE_BOUND) > 0 ? bound : SHORTEST_RELEASE_BOUND;
        int result = DetachedCall.run(call + " " + this, function, patience)
                .orElseThrow(
                        () -> failure(call, "did not return in " + patience.toMillis() + " ms" + library.lastError()));
        if (result != NcclBindings.SUCCESS && result != NcclBindings.IN_PROGRESS) {
            throw failure(call, library.explain(result));
        }
    }

    /** The first error counts, but a group that was started is ended whatever happens. */
    private int group(List<Span> spans, int root, long stream) {
        int result = nccl.groupStart();
        if (result != NcclBindings.SUCCESS) {
            return result;
        }
        for (Span span : spans) {
            int next = nccl.broadcast(span.address(), span.bytes(), root, handle, stream);
            if (next != NcclBindings.SUCCESS && next != NcclBindings.IN_PROGRESS) {
                result = next;
                break;
            }
        }
        int end = nccl.groupEnd();
        return result == NcclBindings.SUCCESS ? end : result;
    }

    /** Waits until a call that was made is no longer in progress. */
    private void settle(String call, int first) {
        long start = System.nanoTime();
        long pause = FIRST_PAUSE_NS;
        int result = first;
        while (result == NcclBindings.IN_PROGRESS) {
            if (Thread.currentThread().isInterrupted()) {
                throw abortBecause(failure(call, "interrupted"));
            }
            if (System.nanoTime() - start > bound.toNanos()) {
                throw abortBecause(
                        failure(call, library.explain(result) + "; still so after " + bound.toMillis() + " ms"));
            }
            LockSupport.parkNanos(pause);
            pause = Math.min(2 * pause, LONGEST_PAUSE_NS);
            result = asyncError(call);
        }
        if (result != NcclBindings.SUCCESS) {
            throw failure(call, library.explain(result));
        }
    }

    private int asyncError(String call) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = arena.allocate(JAVA_INT);
            int result = enter(call, () -> nccl.commGetAsyncError(handle, state));
            return result == NcclBindings.SUCCESS ? state.get(JAVA_INT, 0) : result;
        }
    }

    /** The one way into NCCL with this communicator: not once it has ended. */
    private int enter(String call, IntSupplier function) {
        gate.enter();
        try {
            failIfEnded(call);
            return function.getAsInt();
        } finally {
            gate.leave();
        }
    }

    private void failIfEnded(String call) {
        String why = ended.get();
        if (why != null) {
            throw failure(call, "the communicator is " + why + library.lastError());
        }
    }

    private NcclException failure(String call, String what) {
        return new NcclException(this + ": " + call + ": " + what);
    }
}
