package dev.inflight.worker.link;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.inflight.protocol.link.EngineMessage.Begun;
import dev.inflight.protocol.link.LinkCodec;
import dev.inflight.protocol.link.LinkError;
import dev.inflight.protocol.link.WorkerMessage;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class EngineLinkTest {
    private final RecordingListener listener = new RecordingListener();
    private Path socket;
    private EngineLink link;

    @BeforeEach
    void listen(@TempDir Path directory) {
        socket = directory.resolve("w.sock");
        link = EngineLink.listen(socket, "worker-0/0", listener);
    }

    @AfterEach
    void close() {
        link.close();
    }

    @Test
    void onlyItsOwnerMayUseTheSocket() throws IOException {
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(socket)))
                .isEqualTo("rw-------");
        assertThat(socket.getParent())
                .isDirectoryNotContaining(path -> path.toString().endsWith(".new"));
    }

    @Test
    void anotherUsersProcessIsTurnedAwayUnlessItIsNamed() throws Exception {
        assumeThat(Files.getAttribute(socket, "unix:uid"))
                .as("root, who can become another user")
                .isEqualTo(0);
        Path shared = Files.createTempDirectory(Path.of("/tmp"), "link-");
        try (EngineLink named =
                EngineLink.listen(shared.resolve("named.sock"), "w/0", EngineUsers.of(List.of("65534")), listener)) {
            Files.setPosixFilePermissions(shared, PosixFilePermissions.fromString("rwx--x--x"));
            assertThat(connectAsNobody(named.socket())).isEqualTo("welcome");
        }
        try (EngineLink own = EngineLink.listen(shared.resolve("own.sock"), "w/0", listener)) {
            assertThat(connectAsNobody(own.socket())).isEqualTo("closed");
        } finally {
            Files.delete(shared);
        }
    }

    /** What a process of another user is told after a hello, if the socket's mode lets it in. */
    private static String connectAsNobody(Path socket) throws Exception {
        Files.setPosixFilePermissions(socket, PosixFilePermissions.fromString("rw-rw-rw-"));
        ByteBuffer hello = LinkCodec.encode(FakeEngine.hello(LinkCodec.PROTOCOL));
        byte[] frame = new byte[hello.remaining()];
        hello.get(frame);
        Process nobody = new ProcessBuilder(
                        "setpriv",
                        "--reuid=65534",
                        "--regid=65534",
                        "--clear-groups",
                        "/usr/bin/perl",
                        "-e",
                        """
                        use Socket; socket(S, PF_UNIX, SOCK_STREAM, 0); connect(S, pack_sockaddr_un($ARGV[0])) or die $!;
                        $SIG{PIPE} = "IGNORE"; syswrite(S, pack("H*", $ARGV[1])); sysread(S, $said, 4096);
                        print $said =~ /welcome/ ? "welcome" : "closed";
                        """,
                        socket.toString(),
                        HexFormat.of().formatHex(frame))
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        return new String(nobody.getInputStream().readAllBytes(), UTF_8);
    }

    @Test
    void anEngineIsWelcomedAndAttached() throws Exception {
        try (FakeEngine engine = new FakeEngine(socket)) {
            engine.say(FakeEngine.hello(LinkCodec.PROTOCOL));
            assertThat(engine.hear()).isEqualTo(new WorkerMessage.Welcome(LinkCodec.PROTOCOL, "worker-0/0"));
            assertThat(listener.awaitSession().hello()).isEqualTo(FakeEngine.hello(LinkCodec.PROTOCOL));
        }
        assertThat(listener.awaitDetached()).isEqualTo("the engine closed the connection");
    }

    @Test
    void aSecondEngineIsRefusedUntilTheFirstIsGone() throws Exception {
        try (FakeEngine first = FakeEngine.attach(socket);
                FakeEngine second = new FakeEngine(socket)) {
            listener.awaitSession();
            second.say(FakeEngine.hello(LinkCodec.PROTOCOL));
            assertThat(second.hear())
                    .isEqualTo(new LinkError("worker worker-0/0 has an engine already; it takes one at a time"));
            assertThat(second.isClosedByWorker()).isTrue();
            assertThat(listener.hasReported()).isFalse();
            first.close();
            listener.awaitDetached();
        }
        try (FakeEngine next = attachWhenFree()) {
            assertThat(listener.awaitSession().hello().engine()).isEqualTo("engine-1");
        }
    }

    // The place becomes free just after the listener was told; an engine would try again, too.
    private FakeEngine attachWhenFree() throws IOException {
        while (true) {
            FakeEngine engine = new FakeEngine(socket);
            engine.say(FakeEngine.hello(LinkCodec.PROTOCOL));
            if (engine.hear() instanceof WorkerMessage.Welcome) {
                return engine;
            }
            engine.close();
        }
    }

    @Test
    void anotherProtocolIsRefused() throws Exception {
        try (FakeEngine engine = new FakeEngine(socket)) {
            engine.say(FakeEngine.hello(2));
            assertThat(engine.hear()).isEqualTo(new LinkError("protocol 2 is not spoken here, only 1"));
            assertThat(engine.isClosedByWorker()).isTrue();
        }
        assertThat(listener.hasReported()).isFalse();
    }

    @Test
    void aRankOutsideItsGroupIsRefused() throws Exception {
        try (FakeEngine engine = new FakeEngine(socket)) {
            engine.say(FakeEngine.rank(2, 2));
            assertThat(engine.hear()).isEqualTo(new LinkError("hello: tpRank 2 must be below tpSize 2"));
            assertThat(engine.isClosedByWorker()).isTrue();
        }
        assertThat(listener.hasReported()).isFalse();
    }

    @Test
    void whoeverSaysAnythingBeforeHelloIsRefused() throws Exception {
        try (FakeEngine engine = new FakeEngine(socket)) {
            engine.say(new Begun(1));
            assertThat(engine.hear()).isEqualTo(new LinkError("the first message must be a hello"));
            assertThat(engine.isClosedByWorker()).isTrue();
        }
    }

    @Test
    void aBadFrameDetachesTheEngineAndIsToldWhy() throws Exception {
        try (FakeEngine engine = FakeEngine.attach(socket)) {
            EngineSession session = listener.awaitSession();
            engine.sayRaw(ByteBuffer.wrap(new byte[] {0, 0, 0, 2, '{', ']'}));
            assertThat(engine.hear()).isInstanceOf(LinkError.class);
            assertThat(engine.isClosedByWorker()).isTrue();
            assertThat(listener.awaitDetached()).startsWith("the frame is no valid JSON");
            assertThat(session.end(new WorkerMessage.End(1))).isCompletedExceptionally();
        }
    }

    @Test
    void aSilentConnectionIsClosedWithoutDisturbingAnyone(@TempDir Path directory) throws Exception {
        Path other = directory.resolve("impatient.sock");
        try (EngineLink impatient =
                        EngineLink.listen(other, "worker-0/1", EngineUsers.OWN, listener, Duration.ofMillis(1));
                FakeEngine silent = new FakeEngine(other)) {
            assertThat(silent.isClosedByWorker()).isTrue();
        }
        assertThat(listener.hasReported()).isFalse();
    }

    @Test
    void aSocketInUseIsNotTakenOver() {
        assertThatThrownBy(() -> EngineLink.listen(socket, "worker-0/1", listener))
                .isInstanceOf(EngineLinkException.class)
                .hasMessageContaining("another process listens there");
    }

    @Test
    void theSocketOfADeadProcessIsReplaced(@TempDir Path directory) throws Exception {
        Path stale = directory.resolve("stale.sock");
        try (ServerSocketChannel dead = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            dead.bind(UnixDomainSocketAddress.of(stale));
        }
        assertThat(stale).exists();
        try (EngineLink replacing = EngineLink.listen(stale, "worker-0/1", listener);
                FakeEngine engine = FakeEngine.attach(replacing.socket())) {
            listener.awaitSession();
        }
        assertThat(stale).doesNotExist();
    }

    @Test
    void aFileThatIsNoSocketIsLeftAlone(@TempDir Path directory) throws IOException {
        Path file = Files.writeString(directory.resolve("notes"), "mine");
        assertThatThrownBy(() -> EngineLink.listen(file, "w", listener))
                .isInstanceOf(EngineLinkException.class)
                .hasMessageContaining("exists and is no socket");
        assertThat(file).hasContent("mine");
    }

    @Test
    void aPathTooLongForASocketIsRefusedWithTheLimit() {
        assertThatThrownBy(() -> EngineLink.listen(Path.of("/tmp/" + "x".repeat(120)), "w", listener))
                .isInstanceOf(EngineLinkException.class)
                .hasMessageContaining("at most 103 bytes");
    }

    @Test
    void closingDetachesTheEngineAndRemovesTheSocket() throws Exception {
        try (FakeEngine engine = FakeEngine.attach(socket)) {
            listener.awaitSession();
            link.close();
            assertThat(engine.isClosedByWorker()).isTrue();
            assertThat(listener.awaitDetached()).isEqualTo("the worker closed the link");
            assertThat(socket).doesNotExist();
        }
    }
}
