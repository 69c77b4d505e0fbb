package dev.inflight.protocol.tls;

import java.io.IOException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.security.cert.Certificate;
import java.security.cert.X509Certificate;
import java.util.List;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;
import org.jspecify.annotations.Nullable;

/**
 * The files a process shows who it is with and knows others by, all in PEM.
 *
 * @param certificate its certificate, followed by those between it and the authority's, if any
 * @param key its private key, PKCS#8, not encrypted, readable by its owner and group only
 * @param authority certificates of those whose signature on another's certificate is believed; null for the JDK's
 */
public record TlsIdentity(
        Path certificate, Path key, @Nullable Path authority) {
    private static final char[] NO_PASSWORD = new char[0];

    /**
     * Reads the files.
     *
     * @throws SecretFileException naming the file that can not be used
     */
    public SSLContext context() {
        List<X509Certificate> chain = PemFile.certificates(certificate);
        PrivateKey own = PemFile.key(key);
        requirePair(own, chain.getFirst());
        try {
            KeyStore store = emptyStore();
            store.setKeyEntry("own", own, NO_PASSWORD, chain.toArray(Certificate[]::new));
            KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
            keys.init(store, NO_PASSWORD);
            return context(keys.getKeyManagers(), authority == null ? null : trust(authority));
        } catch (GeneralSecurityException | IOException e) {
            throw new SecretFileException(certificate + " and " + key + ": can not be used: " + e);
        }
    }

    /**
     * For a client that has no certificate of its own.
     *
     * @throws SecretFileException naming the file that can not be used
     */
    public static SSLContext trusting(Path authority) {
        try {
            return context(null, trust(authority));
        } catch (GeneralSecurityException | IOException e) {
            throw new SecretFileException(authority + ": can not be used: " + e);
        }
    }

    private void requirePair(PrivateKey own, X509Certificate shown) {
        byte[] anything = {42};
        try {
            Signature signature = Signature.getInstance(signatureAlgorithm(shown.getPublicKey()));
            signature.initSign(own);
            signature.update(anything);
            byte[] signed = signature.sign();
            signature.initVerify(shown.getPublicKey());
            signature.update(anything);
            if (signature.verify(signed)) {
                return;
            }
        } catch (GeneralSecurityException e) {
            // A key of another kind; told below.
        }
        throw new SecretFileException(key + ": is not the key of " + certificate);
    }

    private static String signatureAlgorithm(PublicKey key) {
        return switch (key.getAlgorithm()) {
            case "RSA" -> "SHA256withRSA";
            case "EC" -> "SHA256withECDSA";
            default -> "EdDSA";
        };
    }

    private static TrustManager[] trust(Path authority) throws GeneralSecurityException, IOException {
        KeyStore store = emptyStore();
        int number = 0;
        for (X509Certificate trusted : PemFile.certificates(authority)) {
            store.setCertificateEntry("authority-" + number++, trusted);
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        return trust.getTrustManagers();
    }

    private static KeyStore emptyStore() throws GeneralSecurityException, IOException {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        return store;
    }

    private static SSLContext context(KeyManager @Nullable [] keys, TrustManager @Nullable [] trust)
            throws GeneralSecurityException {
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys, trust, null);
        return context;
    }
}
