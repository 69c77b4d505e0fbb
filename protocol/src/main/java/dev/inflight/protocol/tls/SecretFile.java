package dev.inflight.protocol.tls;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.MalformedInputException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.util.Set;

/** Reads a file that not everybody on the machine may read. */
public final class SecretFile {
    /** No token or key file of any sense is larger. */
    private static final long MAX_BYTES = 1 << 20;

    private static final Set<PosixFilePermission> OF_OTHERS = Set.of(
            PosixFilePermission.OTHERS_READ, PosixFilePermission.OTHERS_WRITE, PosixFilePermission.OTHERS_EXECUTE);

    private SecretFile() {}

    /**
     * The file's text. Links are followed; the file they lead to is what counts.
     *
     * @throws SecretFileException naming the file if it is not there, not a regular file, not UTF-8, or if users other
     *     than its owner and group have any permission on it. Never has the file's content in it
     */
    public static String read(Path file) {
        try {
            Path real = file.toRealPath();
            if (!Files.isRegularFile(real)) {
                throw new SecretFileException(file + ": is no regular file");
            }
            if (Files.getPosixFilePermissions(real).stream().anyMatch(OF_OTHERS::contains)) {
                throw new SecretFileException(file + ": every user of this machine has access to it; chmod 600 it");
            }
            if (Files.size(real) > MAX_BYTES) {
                throw new SecretFileException(file + ": is larger than " + MAX_BYTES + " bytes");
            }
            return Files.readString(real);
        } catch (NoSuchFileException e) {
            throw new SecretFileException(file + ": no such file");
        } catch (MalformedInputException e) {
            throw new SecretFileException(file + ": is no UTF-8 text");
        } catch (IOException | UncheckedIOException e) {
            throw new SecretFileException(file + ": can not be read: " + e);
        }
    }
}
