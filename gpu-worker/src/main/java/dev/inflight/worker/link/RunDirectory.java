package dev.inflight.worker.link;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;

/** The directory of engine-link sockets. */
public final class RunDirectory {
    private static final int STICKY = 01000;

    private RunDirectory() {}

    /**
     * Makes it with mode 0700. One that is there must be such that nobody else can put a socket of theirs in the place
     * of ours.
     *
     * @throws IOException naming the directory if it can not be made, or others could
     */
    public static void prepare(Path directory) throws IOException {
        if (!Files.isDirectory(directory)) {
            Files.createDirectories(
                    directory, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
            return;
        }
        Path real = directory.toRealPath();
        Path probe = Files.createTempFile(real, "inflight", ".probe");
        try {
            requireSafe(directory, real, probe);
        } finally {
            Files.delete(probe);
        }
    }

    private static void requireSafe(Path directory, Path real, Path own) throws IOException {
        PosixFileAttributes attributes = Files.readAttributes(real, PosixFileAttributes.class);
        Object uid = Files.getAttribute(real, "unix:uid");
        if (!attributes.owner().equals(Files.getOwner(own))
                && !Integer.valueOf(0).equals(uid)) {
            throw new IOException(directory + ": belongs to "
                    + attributes.owner().getName() + ", who could put other sockets there; choose another --run-dir");
        }
        Set<PosixFilePermission> permissions = attributes.permissions();
        boolean writable = permissions.contains(PosixFilePermission.GROUP_WRITE)
                || permissions.contains(PosixFilePermission.OTHERS_WRITE);
        boolean sticky = ((int) Files.getAttribute(real, "unix:mode") & STICKY) != 0;
        if (writable && !sticky) {
            throw new IOException(directory
                    + ": other users may write there and could put other sockets in it; chmod 700 it or choose another"
                    + " --run-dir");
        }
    }
}
