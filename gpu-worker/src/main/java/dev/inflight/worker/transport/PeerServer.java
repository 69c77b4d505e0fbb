package dev.inflight.worker.transport;

import dev.inflight.worker.ucx.UcxNode;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Serves a host's buckets, block sums and manifests to other hosts. Thread-safe. */
public final class PeerServer implements AutoCloseable {
    /** How long a client may be silent before its connection is given up, unless told otherwise. */
    public static final Duration DEFAULT_IDLE_TIMEOUT = Duration.ofSeconds(15);

    private static final int MAX_CONNECTIONS = 4096;
    private static final int BACKLOG = 512;
    private static final Duration ACCEPT_RETRY = Duration.ofMillis(100);
    private static final Logger LOG = LoggerFactory.getLogger(PeerServer.class);

    private final ServerSocketChannel listener;
    private final String host;
    private final String endpoint;
    private final PeerService service;
    private final Duration idleTimeout;
    private final RateLimit ownLimit;
    private final SharedLimits limits = new SharedLimits();
    private final @Nullable UcxNode ucx;
    private final Set<PeerSession> sessions = ConcurrentHashMap.newKeySet();
    private final LongAdder sent = new LongAdder();
    private final Thread acceptor;

    private PeerServer(
            ServerSocketChannel listener,
            String host,
            PeerService service,
            Duration idleTimeout,
            RateLimit ownLimit,
            @Nullable UcxNode ucx)
            throws IOException {
        this.listener = listener;
        this.host = host;
        this.endpoint = Endpoint.format((InetSocketAddress) listener.getLocalAddress());
        this.service = service;
        this.idleTimeout = idleTimeout;
        this.ownLimit = ownLimit;
        this.ucx = ucx;
        this.acceptor = Thread.ofVirtual().name("peer-acceptor " + endpoint).unstarted(this::accept);
    }

    /** Like the four-argument form, with {@link #DEFAULT_IDLE_TIMEOUT}. */
    public static PeerServer start(InetSocketAddress bind, String host, PeerService service) throws IOException {
        return start(bind, host, service, DEFAULT_IDLE_TIMEOUT);
    }

    /** Like the five-argument form, without a limit. */
    public static PeerServer start(InetSocketAddress bind, String host, PeerService service, Duration idleTimeout)
            throws IOException {
        return start(bind, host, service, idleTimeout, RateLimit.none());
    }

    /** Like the six-argument form, without UCX. */
    public static PeerServer start(
            InetSocketAddress bind, String host, PeerService service, Duration idleTimeout, RateLimit ownLimit)
            throws IOException {
        return start(bind, host, service, idleTimeout, ownLimit, null);
    }

    /**
     * Listens and serves until closed.
     *
     * @param bind an address that peers can reach (not a wildcard); port 0 takes a free one
     * @param host this host's name, told to clients
     * @param idleTimeout a client that sends nothing for this long (its heartbeat included) is given up
     * @param ownLimit bounds the parts of shards that are sent, and the buckets of limited updates, to all clients together
     * @param ucx for clients that ask for it; null if this host does not use UCX
     * @throws IOException if the address cannot be bound; the message names it
     */
    public static PeerServer start(
            InetSocketAddress bind,
            String host,
            PeerService service,
            Duration idleTimeout,
            RateLimit ownLimit,
            @Nullable UcxNode ucx)
            throws IOException {
        if (bind.isUnresolved()) {
            throw new IOException("cannot listen for peers on " + bind + ": the host name does not resolve");
        }
        if (bind.getAddress().isAnyLocalAddress()) {
            throw new IOException("cannot listen for peers on " + Endpoint.format(bind)
                    + ": other hosts are told this address; name one of this host's");
        }
        ServerSocketChannel listener = ServerSocketChannel.open();
        try {
            listener.bind(bind, BACKLOG);
            PeerServer server = new PeerServer(listener, host, service, idleTimeout, ownLimit, ucx);
            server.acceptor.start();
            return server;
        } catch (IOException e) {
            listener.close();
            throw new IOException("cannot listen for peers on " + Endpoint.format(bind) + ": " + e.getMessage(), e);
        }
    }

    /** What clients give to {@link PeerConnection#connect}: {@code address:port}. */
    public String endpoint() {
        return endpoint;
    }

    /** Connections being served, for tests and metrics. */
    public int connections() {
        return sessions.size();
    }

    /** Bytes of documents, buckets and parts sent so far; not what clients on this machine read in shared memory. */
    public long sentBytes() {
        return sent.sum();
    }

    /**
     * Breaks the connection of a transfer that this side gives up, if there is one; {@link PeerService#closed} follows.
     * Does not wait.
     */
    public void abandon(TransferKey key) {
        for (PeerSession session : sessions) {
            if (session.serves(key)) {
                session.abandon("the owner gave the transfer up");
            }
        }
    }

    /** Stops listening, breaks every connection and returns when none is being served any more. */
    @Override
    public void close() {
        try {
            listener.close();
        } catch (IOException e) {
            LOG.warn("closing the peer listener on {}", endpoint, e);
        }
        sessions.forEach(PeerSession::kill);
        try {
            acceptor.join();
            for (PeerSession session : sessions) {
                session.kill();
                session.join();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void accept() {
        while (true) {
            try {
                serve(listener.accept());
            } catch (IOException e) {
                if (!listener.isOpen()) {
                    return;
                }
                LOG.warn("accepting a peer on {}", endpoint, e);
                pause();
            }
        }
    }

    private void serve(SocketChannel socket) throws IOException {
        try {
            if (sessions.size() >= MAX_CONNECTIONS) {
                throw new IOException("refused a connection: " + MAX_CONNECTIONS + " are open already");
            }
            String peer = Endpoint.format((InetSocketAddress) socket.getRemoteAddress());
            FrameChannel channel = new FrameChannel(socket, peer, idleTimeout);
            ChunkWriter chunks = new ChunkWriter(channel, ucx, idleTimeout.dividedBy(2), sent);
            ConnectionPace pace = new ConnectionPace(channel, ownLimit, limits);
            PeerSession session = new PeerSession(channel, host, chunks, service, pace, sessions::remove);
            sessions.add(session);
            session.start();
        } catch (IOException e) {
            socket.close();
            throw e;
        }
    }

    /** Errors such as too many open files last: trying again at once would only burn a core. */
    private static void pause() {
        try {
            Thread.sleep(ACCEPT_RETRY);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
