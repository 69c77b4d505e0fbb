package dev.inflight.worker.cuda;

import java.io.IOException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import jcuda.driver.JCudaDriver;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * JCuda's native library, loaded once per process. JCuda unpacks it to a fixed name in {@code java.io.tmpdir} and
 * trusts whatever lies there, from another version or another user. It is given a private directory instead, which is
 * gone as soon as the library is loaded, so that a killed process leaves nothing behind either.
 */
final class JCudaNatives {
    private static final Logger log = LoggerFactory.getLogger(JCudaNatives.class);
    private static final String TEMPORARY_DIRECTORY = "java.io.tmpdir";
    private static final String UNPACKED = "*JCudaDriver*";

    private static final Optional<Throwable> FAILURE = load();

    private JCudaNatives() {}

    /** @throws CudaException if the library does not load */
    static void require() {
        if (FAILURE.isPresent()) {
            throw new CudaException(
                    "libcuda.so.1 is there but JCuda's native library does not load: " + FAILURE.get(), FAILURE.get());
        }
    }

    private static Optional<Throwable> load() {
        try {
            var directory = Files.createTempDirectory("inflight-jcuda-");
            try {
                initialiseWithTemporaryDirectory(directory);
            } finally {
                delete(directory);
            }
            return Optional.empty();
        } catch (IOException | LinkageError e) {
            return Optional.of(e);
        }
    }

    /**
     * JCuda reads the property when its class is initialised. The JDK's own temporary files are not affected: it reads
     * the property once, and has done so for {@code directory}.
     */
    private static void initialiseWithTemporaryDirectory(Path directory) {
        var before = System.setProperty(TEMPORARY_DIRECTORY, directory.toString());
        try {
            // Return codes are checked here, with the name of the call, which JCuda's own exceptions lack.
            JCudaDriver.setExceptionsEnabled(false);
        } finally {
            if (before == null) {
                System.clearProperty(TEMPORARY_DIRECTORY);
            } else {
                System.setProperty(TEMPORARY_DIRECTORY, before);
            }
        }
    }

    /** Linux keeps the mapped library without its name. What others put there in the meantime stays. */
    private static void delete(Path directory) throws IOException {
        try (var unpacked = Files.newDirectoryStream(directory, UNPACKED)) {
            for (var file : unpacked) {
                Files.delete(file);
            }
        }
        try {
            Files.delete(directory);
        } catch (DirectoryNotEmptyException e) {
            log.debug("{} is left: somebody else put a file there", directory);
        }
    }
}
