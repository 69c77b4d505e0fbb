package dev.inflight.protocol.tls;

/** A token, key or certificate file can not be used. The message names the file and never repeats what is in it. */
public final class SecretFileException extends IllegalArgumentException {
    private static final long serialVersionUID = 1;

    public SecretFileException(String message) {
        super(message);
    }
}
