package dev.inflight.worker.transport;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.UUID;
import java.util.regex.Pattern;

/** Tells processes that share POSIX shared memory from those that do not. */
public final class MachineIdentity {
    private static final Path SHM = Path.of("/dev/shm");
    private static final Path BOOT_ID = Path.of("/proc/sys/kernel/random/boot_id");
    private static final String NONCE_FILE = "inflight-machine-id";
    private static final Pattern NONCE = Pattern.compile("[0-9a-f-]{36}");

    private MachineIdentity() {}

    /**
     * The identity of this process's {@code /dev/shm}: equal in two processes iff they see the same one. Containers
     * share a boot id but not necessarily {@code /dev/shm}, so a nonce is kept there as well.
     *
     * @throws IOException if {@code /dev/shm} cannot be written or its {@code inflight-machine-id} is unreadable
     */
    public static String local() throws IOException {
        return Files.readString(BOOT_ID, StandardCharsets.US_ASCII).strip() + '/' + nonce(SHM);
    }

    /** An identity that no other process has, as if this one had a {@code /dev/shm} of its own. */
    public static String unshared() {
        return "unshared/" + UUID.randomUUID();
    }

    static String nonce(Path shm) throws IOException {
        Path file = shm.resolve(NONCE_FILE);
        String nonce;
        try {
            nonce = Files.readString(file, StandardCharsets.ISO_8859_1).strip();
        } catch (NoSuchFileException e) {
            create(file);
            nonce = Files.readString(file, StandardCharsets.ISO_8859_1).strip();
        }
        if (!NONCE.matcher(nonce).matches()) {
            throw new IOException(file + ": holds no machine identity; delete it");
        }
        return nonce;
    }

    /** Writes aside and links, so that nobody sees a half-written file and the first of several creators wins. */
    private static void create(Path file) throws IOException {
        Path aside = file.resolveSibling(NONCE_FILE + '.' + UUID.randomUUID());
        try {
            Files.createFile(aside);
            Files.setPosixFilePermissions(aside, PosixFilePermissions.fromString("rw-r--r--"));
            Files.writeString(aside, UUID.randomUUID().toString());
            Files.createLink(file, aside);
        } catch (FileAlreadyExistsException lostTheRace) {
            return;
        } finally {
            Files.deleteIfExists(aside);
        }
    }
}
