package dev.inflight.worker.ucx;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * Debian's packages of UCX and of what it needs, unpacked under {@code target/ucx}. Nothing is installed, and no rights
 * are needed: the libraries are loaded by their paths, after which the dynamic linker knows them by their names.
 */
final class DebianUcx {
    private static final List<String> PACKAGES =
            List.of("libucx0", "libibverbs1", "librdmacm1", "libnuma1", "libnl-3-200", "libnl-route-3-200");

    /** Each after those that it needs. */
    private static final List<String> LIBRARIES = List.of(
            "libnl-3.so.200",
            "libnl-route-3.so.200",
            "libnuma.so.1",
            "libibverbs.so.1",
            "librdmacm.so.1",
            "libucm.so.0",
            "libucs.so.0",
            "libuct.so.0",
            "libucp.so.0");

    private static final Path DIRECTORY = Path.of("target", "ucx");
    private static final int COMMAND_SECONDS = 60;

    private DebianUcx() {}

    /** @throws UcxException if this is no Debian, or its packages are not to be had */
    static synchronized void load() throws UcxException {
        try {
            if (!Files.exists(DIRECTORY)) {
                fetch();
            }
            for (String library : LIBRARIES) {
                SymbolLookup.libraryLookup(find(library), Arena.global());
            }
        } catch (IOException e) {
            throw new UcxException("Debian's can not be fetched: " + e.getMessage(), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new UcxException("interrupted while Debian's was fetched", e);
        }
    }

    private static void fetch() throws IOException, InterruptedException {
        Path unpacked = Files.createTempDirectory(Files.createDirectories(DIRECTORY.getParent()), "ucx-");
        List<String> download = new ArrayList<>(List.of("apt-get", "download", "-q"));
        download.addAll(PACKAGES);
        run(unpacked, download);
        for (Path archive : packages(unpacked)) {
            run(unpacked, List.of("dpkg-deb", "-x", archive.getFileName().toString(), "."));
        }
        Files.move(unpacked, DIRECTORY);
    }

    private static Path find(String library) throws IOException {
        try (Stream<Path> files = Files.walk(DIRECTORY)) {
            return files.filter(file -> file.getFileName().toString().equals(library))
                    .findFirst()
                    .orElseThrow(() -> new FileNotFoundException(DIRECTORY + " has no " + library));
        }
    }

    private static List<Path> packages(Path directory) throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            return files.filter(file -> file.toString().endsWith(".deb")).toList();
        }
    }

    private static void run(Path directory, List<String> command) throws IOException, InterruptedException {
        Path output = directory.resolve("output");
        Process process = new ProcessBuilder(command)
                .directory(directory.toFile())
                .redirectErrorStream(true)
                .redirectOutput(output.toFile())
                .start();
        process.getOutputStream().close();
        if (!process.waitFor(COMMAND_SECONDS, TimeUnit.SECONDS)) {
            process.destroyForcibly();
            throw new IOException(command + " does not end");
        }
        if (process.exitValue() != 0) {
            throw new IOException(command + ": " + Files.readString(output).strip());
        }
    }
}
