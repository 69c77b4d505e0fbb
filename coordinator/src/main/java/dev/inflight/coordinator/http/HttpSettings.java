package dev.inflight.coordinator.http;

import akka.http.javadsl.settings.ServerSettings;
import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import dev.inflight.coordinator.operation.Settings;
import dev.inflight.protocol.tls.TlsIdentity;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Settings of the HTTP API, from {@code inflight.coordinator.http}; reference.conf documents each.
 *
 * @param tokenFile who may use it; null for everybody
 * @param tls null for plain HTTP
 */
public record HttpSettings(
        String host,
        int port,
        @Nullable Path tokenFile,
        boolean allowAnonymous,
        @Nullable TlsIdentity tls,
        long maxBodyBytes,
        int maxConnections,
        Duration idleTimeout,
        Duration askTimeout,
        Duration pollInterval,
        Duration unbindTimeout) {
    /** What an answer may take beyond the waits that are its own. */
    private static final Duration MARGIN = Duration.ofSeconds(5);

    /** @throws ConfigException if a setting is missing or out of range */
    public static HttpSettings from(Config config) {
        Settings settings = new Settings(config);
        return new HttpSettings(
                settings.text("host"),
                (int) settings.number("port", 0, 65_535),
                file(config, "token-file"),
                config.getBoolean("allow-anonymous"),
                config.getBoolean("tls.enabled")
                        ? new TlsIdentity(
                                Path.of(settings.text("tls.certificate")), Path.of(settings.text("tls.key")), null)
                        : null,
                settings.bytes("max-body", 1024, 64 << 20),
                (int) settings.number("max-connections", 1, 100_000),
                settings.duration("idle-timeout"),
                settings.duration("ask-timeout"),
                settings.duration("poll-interval"),
                settings.duration("unbind-timeout"));
    }

    /**
     * Reads tokens, certificate and key, so that what is wrong with them ends a node before it joins the cluster.
     *
     * @throws IllegalArgumentException naming the file or setting
     */
    public void requireUsable() {
        Access.of(this);
        if (tls != null) {
            tls.context();
        }
    }

    private static @Nullable Path file(Config config, String path) {
        String value = config.getString(path);
        return value.isEmpty() ? null : Path.of(value);
    }

    /**
     * Akka's settings for a server with these.
     *
     * @param config the actor system's
     * @param longestWait how long a request may ask the server to wait
     */
    ServerSettings server(Config config, Duration longestWait) {
        Duration answer = longestWait.plus(askTimeout).plus(MARGIN);
        // A connection on which an answer is waited for is not idle.
        Duration idle = idleTimeout.compareTo(answer) > 0 ? idleTimeout : answer.plus(MARGIN);
        Config bounded = ConfigFactory.parseString("""
                        akka.http.server {
                          request-timeout = %d ms
                          idle-timeout = %d ms
                        }
                        """.formatted(answer.toMillis(), idle.toMillis()))
                .withFallback(config);
        return ServerSettings.create(bounded)
                .withMaxConnections(maxConnections)
                .withParsingErrorHandler(UnreadableRequests.class.getName())
                .withServerHeader(Optional.empty());
    }
}
