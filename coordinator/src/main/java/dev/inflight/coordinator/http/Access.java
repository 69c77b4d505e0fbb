package dev.inflight.coordinator.http;

import akka.http.javadsl.model.HttpHeader;
import akka.http.javadsl.model.HttpRequest;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.Locale;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Tells who sent a request, or that nobody who may. */
final class Access {
    private static final Logger LOG = LoggerFactory.getLogger(Access.class);
    private static final String SCHEME = "bearer ";

    private final @Nullable Tokens tokens;

    private Access(@Nullable Tokens tokens) {
        this.tokens = tokens;
    }

    /** No such token; the message says what is wrong with the header and never repeats it. */
    static final class UnauthorizedException extends Exception {
        private static final long serialVersionUID = 1;

        private final String challenge;

        UnauthorizedException(String message, String challenge) {
            super(message);
            this.challenge = challenge;
        }

        /** Value of the answer's {@code WWW-Authenticate} header. */
        String challenge() {
            return challenge;
        }
    }

    /**
     * Reads the token file, if one is set.
     *
     * @throws IllegalArgumentException if the file can not be used, or if there is none though other machines can reach
     *     the API and the settings do not say that they may
     */
    static Access of(HttpSettings settings) {
        if (settings.tokenFile() != null) {
            return new Access(Tokens.read(settings.tokenFile()));
        }
        if (!isLoopback(settings.host()) && !settings.allowAnonymous()) {
            throw new IllegalArgumentException("inflight.coordinator.http.host " + settings.host()
                    + " can be reached from other machines, and everybody there could change what engines serve: set"
                    + " inflight.coordinator.http.token-file, or allow-anonymous = on in a network of trusted users");
        }
        return new Access(null);
    }

    /** Says in the log what is open. */
    static void warn(HttpSettings settings) {
        if (isLoopback(settings.host())) {
            return;
        }
        if (settings.tokenFile() == null) {
            LOG.warn("The HTTP API takes commands from everybody who reaches it (http.allow-anonymous)");
        } else if (settings.tls() == null) {
            LOG.warn("Tokens of the HTTP API cross the network unencrypted; set http.tls");
        }
    }

    Requester requester(HttpRequest request) throws UnauthorizedException {
        if (tokens == null) {
            return Requester.ANONYMOUS;
        }
        Optional<HttpHeader> header = request.getHeader("Authorization");
        String value = header.map(HttpHeader::value).orElse("");
        if (!value.toLowerCase(Locale.ROOT).startsWith(SCHEME)) {
            throw new UnauthorizedException(
                    "Authorization: must be \"Bearer TOKEN\" with a token of the coordinator's token file",
                    "Bearer realm=\"inflight\"");
        }
        Requester requester = tokens.requester(value.substring(SCHEME.length()).strip());
        if (requester == null) {
            throw new UnauthorizedException(
                    "Authorization: the token is not in the coordinator's token file",
                    "Bearer realm=\"inflight\", error=\"invalid_token\"");
        }
        return requester;
    }

    private static boolean isLoopback(String host) {
        try {
            return InetAddress.getByName(host).isLoopbackAddress();
        } catch (UnknownHostException e) {
            // Listening there will fail, and say why.
            return false;
        }
    }
}
