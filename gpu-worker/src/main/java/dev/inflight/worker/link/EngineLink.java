package dev.inflight.worker.link;

import dev.inflight.protocol.link.EngineMessage.Hello;
import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.nio.file.attribute.UserPrincipal;
import java.time.Duration;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;
import jdk.net.ExtendedSocketOptions;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A worker's Unix socket and the engine attached to it. One engine at a time: a second is refused until the first is
 * detached. Thread-safe; all waiting happens on virtual threads of its own.
 */
public final class EngineLink implements AutoCloseable {
    /** Told about engines on link threads; must not block. */
    public interface Listener {
        /** Why an engine that said this can not be taken; empty if it can. */
        default Optional<String> refusal(Hello hello) {
            return Optional.empty();
        }

        /** An engine said hello and was welcomed. Its session may be used at once, also from within this call. */
        void attached(EngineSession session);

        /** An attached engine is gone, for good; the next {@link #attached} comes after this. */
        void detached(EngineSession session, String reason);
    }

    private static final Logger LOG = LoggerFactory.getLogger(EngineLink.class);
    private static final Duration HELLO_TIMEOUT = Duration.ofSeconds(10);
    private static final Duration ACCEPT_RETRY = Duration.ofMillis(100);
    /** Of these one is the engine's; the others have yet to say hello. */
    private static final int MAX_CONNECTIONS = 16;

    private final ListeningSocket socket;
    private final String worker;
    private final EngineUsers users;
    private final Set<UserPrincipal> turnedAway = new HashSet<>();
    private final Listener listener;
    private final Duration helloTimeout;
    private final Set<EngineConnection> connections = new HashSet<>();
    private @Nullable EngineConnection attached;
    private boolean closed;

    private EngineLink(
            ListeningSocket socket, String worker, EngineUsers users, Listener listener, Duration helloTimeout) {
        this.socket = socket;
        this.worker = worker;
        this.users = users;
        this.listener = listener;
        this.helloTimeout = helloTimeout;
    }

    /**
     * Opens the socket, readable and writable by its owner only. A file that a dead process left there is replaced.
     *
     * @param socket where; at most 103 bytes long
     * @param worker the worker's id, told to engines
     * @param users as whom engines may run
     * @throws EngineLinkException if a process listens there already or the socket can not be made
     */
    public static EngineLink listen(Path socket, String worker, EngineUsers users, Listener listener) {
        return listen(socket, worker, users, listener, HELLO_TIMEOUT);
    }

    /** For engines of the own user only. */
    public static EngineLink listen(Path socket, String worker, Listener listener) {
        return listen(socket, worker, EngineUsers.OWN, listener, HELLO_TIMEOUT);
    }

    static EngineLink listen(Path socket, String worker, EngineUsers users, Listener listener, Duration helloTimeout) {
        EngineLink link = new EngineLink(ListeningSocket.open(socket), worker, users, listener, helloTimeout);
        Thread.ofVirtual().name("engine-link-accept-" + worker).start(link::acceptAll);
        return link;
    }

    /**
     * Checks that a link could listen here.
     *
     * @throws EngineLinkException if a process listens there already or the socket can not be made
     */
    public static void requireFree(Path socket) {
        ListeningSocket.open(socket).close();
    }

    /** Where engines connect. */
    public Path socket() {
        return socket.path();
    }

    /** Detaches the engine, closes the socket and removes its file. */
    @Override
    public void close() {
        Set<EngineConnection> open;
        synchronized (connections) {
            closed = true;
            open = Set.copyOf(connections);
        }
        socket.close();
        open.forEach(connection -> connection.close("the worker closed the link"));
    }

    private void acceptAll() {
        try {
            while (true) {
                acceptNext();
            }
        } catch (ClosedChannelException e) {
            LOG.debug("{}: no longer accepts engines", worker);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    // Running out of file descriptors, say, passes; engines come again.
    private void acceptNext() throws ClosedChannelException, InterruptedException {
        try {
            accept(socket.accept());
        } catch (ClosedChannelException e) {
            throw e;
        } catch (IOException e) {
            LOG.warn("{}: could not accept an engine on {}", worker, socket.path(), e);
            Thread.sleep(ACCEPT_RETRY);
        }
    }

    private void accept(SocketChannel channel) throws IOException {
        UserPrincipal user =
                channel.getOption(ExtendedSocketOptions.SO_PEERCRED).user();
        if (!users.allow(user, socket.owner())) {
            channel.close();
            turnAway(user);
            return;
        }
        EngineConnection connection = new EngineConnection(this, channel);
        synchronized (connections) {
            if (closed || connections.size() >= MAX_CONNECTIONS) {
                channel.close();
                return;
            }
            connections.add(connection);
        }
        connection.start(helloTimeout);
    }

    // Told once for each user: whoever is refused may try for ever.
    private void turnAway(UserPrincipal user) {
        if (turnedAway.add(user)) {
            LOG.warn(
                    "{}: refused a connection to {} from a process of user {}: engines must run as {} or be named in"
                            + " inflight.worker.engine-users",
                    worker,
                    socket.path(),
                    user.getName(),
                    socket.owner().getName());
        }
    }

    String worker() {
        return worker;
    }

    Listener listener() {
        return listener;
    }

    /** Takes the engine's place for a connection that said hello; false if another has it. */
    boolean attach(EngineConnection connection) {
        synchronized (connections) {
            if (attached != null) {
                return false;
            }
            attached = connection;
            return true;
        }
    }

    /** Forgets a connection; called after its engine was reported as detached. */
    void remove(EngineConnection connection) {
        synchronized (connections) {
            connections.remove(connection);
            if (attached == connection) {
                attached = null;
            }
        }
    }
}
