package dev.inflight.cli.client;

import dev.inflight.protocol.tls.SecretFile;
import dev.inflight.protocol.tls.SecretFileException;
import dev.inflight.protocol.tls.TlsIdentity;
import java.nio.file.Path;
import java.util.List;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;

/** What a client shows a coordinator, and by what it knows one. Not a record: its text must not have the token in it. */
public final class Credentials {
    /** No token, and the authorities that the JDK trusts. */
    public static final Credentials NONE = new Credentials(null, null);

    private final @Nullable String token;
    private final @Nullable SSLContext trust;

    private Credentials(@Nullable String token, @Nullable SSLContext trust) {
        this.token = token;
        this.trust = trust;
    }

    /**
     * Reads the files.
     *
     * @param tokenFile its only line is {@code TOKEN} or {@code name:TOKEN}; null for no token
     * @param authority certificates in PEM of those who may sign the coordinator's; null for the JDK's
     * @throws SecretFileException naming the file that can not be used
     */
    public static Credentials of(@Nullable Path tokenFile, @Nullable Path authority) {
        return new Credentials(
                tokenFile == null ? null : token(tokenFile),
                authority == null ? null : TlsIdentity.trusting(authority));
    }

    private static String token(Path file) {
        List<String> lines = SecretFile.read(file)
                .lines()
                .map(String::strip)
                .filter(line -> !line.isEmpty() && !line.startsWith("#"))
                .toList();
        if (lines.size() != 1) {
            throw new SecretFileException(file + ": must hold one line, TOKEN or name:TOKEN, but has " + lines.size());
        }
        String token = lines.getFirst().substring(lines.getFirst().indexOf(':') + 1);
        if (!token.matches("[\\x21-\\x7e]+")) {
            throw new SecretFileException(file + ": a token has no spaces and no characters beyond ASCII");
        }
        return token;
    }

    @Nullable
    String token() {
        return token;
    }

    @Nullable
    SSLContext trust() {
        return trust;
    }
}
