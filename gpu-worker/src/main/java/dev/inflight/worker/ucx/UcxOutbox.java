package dev.inflight.worker.ucx;

import java.lang.foreign.MemorySegment;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;
import org.openucx.jucx.UcxCallback;
import org.openucx.jucx.ucp.UcpEndpoint;
import org.openucx.jucx.ucp.UcpRequest;

/** A way to one other node. Thread-safe. */
public final class UcxOutbox implements AutoCloseable {
    private final UcxNode node;
    private final byte[] peer;

    /** What follows is for the node's thread only. */
    private final Set<Flight> flying = new HashSet<>();

    private @Nullable UcpEndpoint endpoint;
    private @Nullable UcxException failure;

    /** A message that UCX has not let go of. */
    private static final class Flight {
        final CompletableFuture<Void> sent = new CompletableFuture<>();
    }

    UcxOutbox(UcxNode node, byte[] peer) {
        this.node = node;
        this.peer = peer.clone();
    }

    /**
     * Sends a message, which must stay as it is until the result is complete. That is when UCX needs it no longer; the
     * peer may not have it yet.
     *
     * @return fails with a {@link UcxException} if the peer can not be reached or dies, or when this is closed
     */
    public CompletableFuture<Void> send(MemorySegment message, long tag) {
        var flight = new Flight();
        if (!node.execute(() -> begin(message, tag, flight))) {
            flight.sent.completeExceptionally(new UcxException("UCX was shut down"));
        }
        return flight.sent;
    }

    private void begin(MemorySegment message, long tag, Flight flight) {
        if (failure != null) {
            flight.sent.completeExceptionally(failure);
            return;
        }
        try {
            if (endpoint == null) {
                endpoint = node.connect(peer, this::failed);
            }
            flying.add(flight);
            endpoint.sendTaggedNonBlocking(
                    message.address(),
                    message.byteSize(),
                    tag,
                    new UcxCallback() {
                        @Override
                        public void onSuccess(UcpRequest request) {
                            flying.remove(flight);
                            flight.sent.complete(null);
                        }

                        @Override
                        public void onError(int status, String reason) {
                            flying.remove(flight);
                            flight.sent.completeExceptionally(new UcxException(reason));
                        }
                    },
                    UcxNode.hostMemory());
        } catch (org.openucx.jucx.UcxException e) {
            flying.remove(flight);
            flight.sent.completeExceptionally(new UcxException(String.valueOf(e.getMessage()), e));
        }
    }

    private void failed() {
        if (failure == null) {
            failure = new UcxException("the peer's end of UCX is gone");
        }
    }

    /**
     * Breaks the connection off: what has not been sent fails.
     *
     * @return complete when UCX has let go of every message
     */
    public CompletableFuture<Void> shut() {
        var done = new CompletableFuture<Void>();
        if (!node.execute(() -> shut(done))) {
            done.complete(null);
        }
        return done;
    }

    private void shut(CompletableFuture<Void> done) {
        if (failure == null) {
            failure = new UcxException("it was closed on this side");
        }
        var open = endpoint;
        endpoint = null;
        if (open != null) {
            open.closeNonBlockingForce();
        }
        var ignored = CompletableFuture.allOf(
                        flying.stream().map(flight -> flight.sent).toArray(CompletableFuture[]::new))
                .whenComplete((ok, error) -> done.complete(null));
    }

    @Override
    public void close() {
        var ignored = shut();
    }
}
