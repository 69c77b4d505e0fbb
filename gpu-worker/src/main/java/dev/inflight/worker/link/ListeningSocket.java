package dev.inflight.worker.link;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.inflight.worker.link.EngineLinkException.Kind;
import java.io.IOException;
import java.net.ConnectException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.nio.file.attribute.UserPrincipal;
import java.util.Objects;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A bound Unix socket and its file. */
final class ListeningSocket implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(ListeningSocket.class);
    /** Linux allows 107 bytes; {@link #UNREADY} needs some of them. */
    private static final int MAX_PATH_BYTES = 103;
    /** Suffix of the file while it does not have its mode yet. */
    private static final String UNREADY = ".new";

    private final Path path;
    private final ServerSocketChannel channel;
    private final UserPrincipal owner;
    private final Object fileKey;

    private ListeningSocket(Path path, ServerSocketChannel channel, UserPrincipal owner, Object fileKey) {
        this.path = path;
        this.owner = owner;
        this.channel = channel;
        this.fileKey = fileKey;
    }

    static ListeningSocket open(Path given) {
        Path path = given.toAbsolutePath().normalize();
        if (path.toString().getBytes(UTF_8).length > MAX_PATH_BYTES) {
            throw new EngineLinkException(
                    Kind.NOT_LISTENING,
                    "%s: a socket's path may have at most %d bytes; choose a shorter run directory"
                            .formatted(path, MAX_PATH_BYTES));
        }
        try {
            refuseIfInUse(path);
            return bind(path);
        } catch (IOException e) {
            throw new EngineLinkException(Kind.NOT_LISTENING, path + ": can not listen: " + e, e);
        }
    }

    Path path() {
        return path;
    }

    /** The user this process runs as. */
    UserPrincipal owner() {
        return owner;
    }

    SocketChannel accept() throws IOException {
        return channel.accept();
    }

    @Override
    public void close() {
        try {
            channel.close();
            if (fileKey.equals(fileKey(path))) {
                Files.deleteIfExists(path);
            }
        } catch (NoSuchFileException e) {
            LOG.debug("{}: was removed already", path);
        } catch (IOException e) {
            LOG.warn("{}: can not be removed", path, e);
        }
    }

    private static void refuseIfInUse(Path path) throws IOException {
        if (!Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        if (!Files.readAttributes(path, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS)
                .isOther()) {
            throw new EngineLinkException(Kind.NOT_LISTENING, path + ": exists and is no socket; move it away");
        }
        try (SocketChannel probe = SocketChannel.open(UnixDomainSocketAddress.of(path))) {
            throw new EngineLinkException(
                    Kind.NOT_LISTENING,
                    path + ": another process listens there; stop it or choose another run directory");
        } catch (ConnectException e) {
            LOG.info("{}: replacing the socket of a dead process", path);
        }
    }

    // Bound under another name and renamed: whoever can see the socket finds its final mode on it.
    private static ListeningSocket bind(Path path) throws IOException {
        Path unready = path.resolveSibling(path.getFileName() + UNREADY);
        Files.deleteIfExists(unready);
        ServerSocketChannel channel = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        try {
            channel.bind(UnixDomainSocketAddress.of(unready));
            Files.setPosixFilePermissions(unready, PosixFilePermissions.fromString("rw-------"));
            Files.move(unready, path, StandardCopyOption.ATOMIC_MOVE);
            return new ListeningSocket(path, channel, Files.getOwner(path), fileKey(path));
        } catch (IOException e) {
            channel.close();
            throw e;
        }
    }

    private static Object fileKey(Path path) throws IOException {
        return Objects.requireNonNull(
                Files.readAttributes(path, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS)
                        .fileKey(),
                "file key");
    }
}
