package dev.inflight.worker.aeron;

import io.aeron.Aeron;
import io.aeron.ChannelUriStringBuilder;
import io.aeron.CommonContext;
import io.aeron.driver.MediaDriver;
import io.aeron.driver.ThreadingMode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.StandardSocketOptions;
import java.nio.channels.DatagramChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Supplier;
import org.agrona.CloseHelper;
import org.agrona.concurrent.BackoffIdleStrategy;
import org.agrona.concurrent.IdleStrategy;
import org.agrona.concurrent.SleepingMillisIdleStrategy;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** This process's media driver and client, started when first needed. Thread-safe. */
public final class AeronNode implements AutoCloseable {
    static final int STREAM = 1;

    /** A process that was stopped for less than this goes on where it was. */
    private static final Duration PAUSE = Duration.ofSeconds(60);

    /** Those who send and receive look up every few milliseconds. */
    private static final Duration LAST_CALLS = Duration.ofSeconds(2);

    private static final int CLIENT_SLEEP_MS = 4;
    private static final long FEW_BYTES_LEFT = 64 << 20;
    private static final Logger LOG = LoggerFactory.getLogger(AeronNode.class);

    private final Path directory;
    private final AeronSettings settings;
    private final LongAdder received = new LongAdder();
    private final Uses uses = new Uses();
    private @Nullable Running running;
    private boolean closed;

    private record Running(MediaDriver driver, Aeron aeron) implements AutoCloseable {
        @Override
        public void close() {
            aeron.close();
            driver.close();
        }
    }

    /** @param directory of the media driver; made when it starts, deleted when it ends */
    public AeronNode(Path directory, AeronSettings settings) {
        this.directory = directory;
        this.settings = settings;
    }

    /** Bytes of buckets that came by casts so far. */
    public long receivedBytes() {
        return received.sum();
    }

    /** Backs off to sleeping: bytes that wait a millisecond cost less than a core. */
    static IdleStrategy patientIdle() {
        return new BackoffIdleStrategy(20, 50, TimeUnit.MICROSECONDS.toNanos(10), TimeUnit.MILLISECONDS.toNanos(1));
    }

    /**
     * Opens a cast.
     *
     * @throws RuntimeException of Aeron, if a port, memory or the network is not to be had
     */
    public Cast cast() throws InterruptedException {
        var builder = new ChannelUriStringBuilder()
                .media(CommonContext.UDP_MEDIA)
                .mtu(settings.mtuBytes())
                .termLength(settings.termBytes())
                .linger(0L)
                .minFlowControl(null, settings.receiverTimeout().toNanos() + "ns");
        if (settings.multicast().isEmpty()) {
            builder.controlEndpoint(bracketed(settings.host()) + ":0")
                    .controlMode(CommonContext.MDC_CONTROL_MODE_DYNAMIC);
        } else {
            builder.endpoint(settings.multicast())
                    .networkInterface(settings.host())
                    .ttl(settings.ttl());
        }
        return Cast.open(opened(() -> aeron().addExclusivePublication(builder.build(), STREAM)), settings, uses);
    }

    /**
     * Begins to receive a cast, from what is sent when this returns.
     *
     * @throws CastLostException if nothing arrives from there
     */
    public CastReceiver receive(CastOffer offer) throws CastLostException, InterruptedException {
        return receive(offer, 1);
    }

    /**
     * The same where several casts are received at a time: together they have no more bytes on their way here than one
     * would, so that they do not crowd each other out on the last link.
     *
     * @param casts how many
     */
    public CastReceiver receive(CastOffer offer, int casts) throws CastLostException, InterruptedException {
        try {
            var builder = new ChannelUriStringBuilder(offer.channel())
                    .sessionId(offer.session())
                    .receiverWindowLength(Math.max(settings.mtuBytes(), window() / casts));
            if (builder.endpoint() == null) {
                builder.endpoint(bracketed(settings.host()) + ":0");
            } else {
                builder.networkInterface(settings.host());
            }
            return CastReceiver.open(
                    opened(() -> aeron().addSubscription(builder.build(), offer.stream())),
                    settings.timeout(),
                    received,
                    uses);
        } catch (RuntimeException e) {
            throw new CastLostException("cannot receive from " + offer.channel() + ": " + e.getMessage(), e);
        }
    }

    /**
     * Aeron maps files when it starts and when it opens something. If it is interrupted it leaves them behind, and a
     * subscription that nobody knows of holds its sender back: so this is done on a thread that nobody interrupts.
     */
    private static <T extends AutoCloseable> T opened(Supplier<T> opening) throws InterruptedException {
        var result = new CompletableFuture<T>();
        Thread.ofPlatform().daemon().name("aeron-open").start(() -> {
            try {
                var value = opening.get();
                if (!result.complete(value)) {
                    closeQuietly(value);
                }
            } catch (RuntimeException | Error e) {
                result.completeExceptionally(e);
            }
        });
        try {
            return result.get();
        } catch (ExecutionException e) {
            throw e.getCause() instanceof RuntimeException failure ? failure : new IllegalStateException(e.getCause());
        } catch (InterruptedException e) {
            if (!result.cancel(false) && !result.isCompletedExceptionally()) {
                closeQuietly(result.resultNow());
            }
            throw e;
        }
    }

    /** Also for a thread that has been interrupted, and when Aeron itself has ended. */
    static void closeQuietly(AutoCloseable part) {
        boolean interrupted = Thread.interrupted();
        CloseHelper.quietClose(part);
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    static String bracketed(String host) {
        return host.indexOf(':') < 0 ? host : '[' + host + ']';
    }

    private synchronized Aeron aeron() {
        if (closed) {
            throw new IllegalStateException("Aeron was shut down");
        }
        var known = running;
        if (known == null || known.aeron().isClosed()) {
            if (known != null) {
                known.close();
            }
            known = start();
            running = known;
        }
        return known.aeron();
    }

    private Running start() {
        var own = makePrivate();
        long timeoutNs = settings.timeout().toNanos();
        var context = new MediaDriver.Context()
                .aeronDirectoryName(own.toString())
                .dirDeleteOnStart(true)
                .dirDeleteOnShutdown(true)
                .threadingMode(ThreadingMode.SHARED)
                .sharedIdleStrategy(patientIdle())
                .termBufferSparseFile(true)
                .lowStorageWarningThreshold(FEW_BYTES_LEFT)
                .mtuLength(settings.mtuBytes())
                .socketSndbufLength(settings.socketBytes())
                .socketRcvbufLength(settings.socketBytes())
                .initialWindowLength(window())
                .imageLivenessTimeoutNs(timeoutNs)
                .publicationConnectionTimeoutNs(timeoutNs)
                .clientLivenessTimeoutNs(PAUSE.toNanos())
                .publicationUnblockTimeoutNs(2 * PAUSE.toNanos())
                .driverTimeoutMs(PAUSE.toMillis())
                .errorHandler(error -> LOG.warn("Aeron media driver: {}", error.toString()));
        if (!settings.ports().isEmpty()) {
            context.senderWildcardPortRange(settings.ports()).receiverWildcardPortRange(settings.ports());
        }
        var driver = MediaDriver.launchEmbedded(context);
        try {
            var aeron = Aeron.connect(new Aeron.Context()
                    .aeronDirectoryName(own.toString())
                    .driverTimeoutMs(PAUSE.toMillis())
                    .idleStrategy(new SleepingMillisIdleStrategy(CLIENT_SLEEP_MS))
                    .errorHandler(error -> LOG.warn("Aeron client: {}", error.toString())));
            return new Running(driver, aeron);
        } catch (RuntimeException e) {
            driver.close();
            throw e;
        }
    }

    /** The driver's files, which hold weights, get the mode that the umask leaves them; nobody else comes this far. */
    private Path makePrivate() {
        try {
            if (!Files.isDirectory(directory)) {
                Files.createDirectory(
                        directory, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
            }
            return directory.resolve("driver");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Most bytes on their way to a receiver: what its socket takes, and half a term at most. */
    private int window() {
        try (var probe = DatagramChannel.open()) {
            probe.setOption(StandardSocketOptions.SO_RCVBUF, settings.socketBytes());
            int given = Math.min(probe.getOption(StandardSocketOptions.SO_RCVBUF), settings.socketBytes());
            return Math.max(settings.mtuBytes(), Math.min(given, settings.termBytes() / 2));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Ends the driver and deletes its directory. Casts and receivers that are in use end with an error. */
    @Override
    public void close() {
        uses.end(LAST_CALLS);
        end();
    }

    private synchronized void end() {
        closed = true;
        var known = running;
        running = null;
        if (known != null) {
            known.close();
            try {
                Files.deleteIfExists(directory);
            } catch (IOException e) {
                LOG.warn("can not remove {}: {}", directory, e.toString());
            }
        }
    }
}
