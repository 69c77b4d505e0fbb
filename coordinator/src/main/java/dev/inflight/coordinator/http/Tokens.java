package dev.inflight.coordinator.http;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.inflight.protocol.tls.SecretFile;
import dev.inflight.protocol.tls.SecretFileException;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Who may use the HTTP API, by bearer token (RFC 6750). Holds digests, so that no dump or log has a token in it. */
final class Tokens {
    private static final int LEAST_LENGTH = 20;
    private static final Pattern LINE =
            Pattern.compile("(?<name>[A-Za-z0-9._@-]{1,64}):(?<token>[A-Za-z0-9._~+/-]+=*)");

    private final Map<Requester, byte[]> digests;

    private Tokens(Map<Requester, byte[]> digests) {
        this.digests = digests;
    }

    /**
     * Reads a file of lines {@code name:token}; empty ones and those that begin with # are skipped.
     *
     * @throws SecretFileException naming file and line, if everybody can read the file, a line is malformed, a token is
     *     shorter than 20 characters, a name or token comes twice, or there is none
     */
    static Tokens read(Path file) {
        Map<Requester, byte[]> digests = new LinkedHashMap<>();
        int number = 0;
        for (String text : SecretFile.read(file).lines().map(String::strip).toList()) {
            number++;
            if (!text.isEmpty() && !text.startsWith("#")) {
                add(text, file + ": line " + number, digests);
            }
        }
        if (digests.isEmpty()) {
            throw new SecretFileException(file + ": holds no token; add a line like trainer:TOKEN, with a TOKEN from"
                    + " `openssl rand -hex 32`");
        }
        return new Tokens(digests);
    }

    private static void add(String text, String where, Map<Requester, byte[]> digests) {
        Matcher line = LINE.matcher(text);
        if (!line.matches()) {
            throw new SecretFileException(where + ": is not like name:token, with letters, digits and ._@- in the name"
                    + " and Base64 or hexadecimal digits in the token");
        }
        String token = line.group("token");
        if (token.length() < LEAST_LENGTH) {
            throw new SecretFileException(
                    where + ": a token has at least " + LEAST_LENGTH + " characters; `openssl rand -hex 32` makes one");
        }
        byte[] digest = digest(token);
        if (digests.values().stream().anyMatch(other -> MessageDigest.isEqual(other, digest))) {
            throw new SecretFileException(where + ": the token is that of another line");
        }
        if (digests.put(new Requester(line.group("name")), digest) != null) {
            throw new SecretFileException(where + ": the name is that of another line");
        }
    }

    /** Whose token this is; null if nobody's. Takes equally long whatever of the token is right. */
    @Nullable
    Requester requester(String presented) {
        byte[] digest = digest(presented);
        Requester found = null;
        for (Map.Entry<Requester, byte[]> known : digests.entrySet()) {
            if (MessageDigest.isEqual(known.getValue(), digest)) {
                found = known.getKey();
            }
        }
        return found;
    }

    private static byte[] digest(String token) {
        try {
            return MessageDigest.getInstance("SHA-256").digest(token.getBytes(UTF_8));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }
}
