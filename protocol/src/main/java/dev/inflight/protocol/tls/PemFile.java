package dev.inflight.protocol.tls;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Certificates and private keys in PEM (RFC 7468). */
final class PemFile {
    private static final Pattern BLOCK = Pattern.compile("-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END \\1-----");
    private static final List<String> KEY_ALGORITHMS = List.of("RSA", "EC", "EdDSA");

    private PemFile() {}

    /** At least one certificate, in the file's order. */
    static List<X509Certificate> certificates(Path file) {
        try (InputStream in = Files.newInputStream(file)) {
            List<X509Certificate> certificates =
                    CertificateFactory.getInstance("X.509").generateCertificates(in).stream()
                            .map(X509Certificate.class::cast)
                            .toList();
            if (certificates.isEmpty()) {
                throw new SecretFileException(file + ": holds no certificate");
            }
            return certificates;
        } catch (NoSuchFileException e) {
            throw new SecretFileException(file + ": no such file");
        } catch (CertificateException e) {
            throw new SecretFileException(file + ": holds no certificates in PEM: " + e.getMessage());
        } catch (IOException e) {
            throw new SecretFileException(file + ": can not be read: " + e);
        }
    }

    static PrivateKey key(Path file) {
        Matcher block = BLOCK.matcher(SecretFile.read(file));
        while (block.find()) {
            String label = block.group(1);
            if (label.equals("PRIVATE KEY")) {
                return pkcs8(file, block.group(2));
            }
            if (label.equals("ENCRYPTED PRIVATE KEY")) {
                throw new SecretFileException(file + ": the key is encrypted; decrypt it and protect the file instead");
            }
            if (label.endsWith("PRIVATE KEY")) {
                throw new SecretFileException(file + ": is no PKCS#8 key; convert it with `openssl pkcs8 -topk8"
                        + " -nocrypt -in KEY -out KEY.pkcs8`");
            }
        }
        throw new SecretFileException(file + ": holds no PRIVATE KEY in PEM");
    }

    private static PrivateKey pkcs8(Path file, String base64) {
        byte[] der;
        try {
            der = Base64.getMimeDecoder().decode(base64);
        } catch (IllegalArgumentException e) {
            throw new SecretFileException(file + ": the key is no Base64");
        }
        for (String algorithm : KEY_ALGORITHMS) {
            try {
                return KeyFactory.getInstance(algorithm).generatePrivate(new PKCS8EncodedKeySpec(der));
            } catch (GeneralSecurityException e) {
                // Of another algorithm, perhaps.
            }
        }
        throw new SecretFileException(file + ": the key is none of " + String.join(", ", KEY_ALGORITHMS));
    }
}
