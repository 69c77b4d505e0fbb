package dev.inflight.cli.bench;

import dev.inflight.cli.doctor.AvailableMemory;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * What an update that leaks would take more and more of.
 *
 * @param deviceFreeMiB free memory of each GPU
 * @param memAvailableMiB memory that new processes can take; -1 if the system does not tell
 * @param shmMiB bytes of all files in {@code /dev/shm}
 * @param shmFiles files in {@code /dev/shm}
 * @param workerResidentMiB memory of the worker hosts that is theirs alone: the Java heap, which is as large at start as
 *     it gets, and what the JVM, CUDA and the product allocate beside it
 * @param workerFds open file descriptors of the worker hosts
 */
public record HostResources(
        List<Long> deviceFreeMiB,
        long memAvailableMiB,
        long shmMiB,
        long shmFiles,
        long workerResidentMiB,
        long workerFds) {
    private static final long MIB = 1 << 20;
    private static final Path SHM = Path.of("/dev/shm");
    private static final Pattern RESIDENT = Pattern.compile("^RssAnon:\\s+(\\d+) kB$", Pattern.MULTILINE);

    public HostResources {
        deviceFreeMiB = List.copyOf(deviceFreeMiB);
    }

    static HostResources now(List<Long> deviceFreeBytes, List<Long> workerPids) {
        return new HostResources(
                deviceFreeBytes.stream().map(bytes -> bytes / MIB).toList(),
                AvailableMemory.bytes().orElse(-MIB) / MIB,
                usedBytes(SHM) / MIB,
                entries(SHM),
                workerPids.stream().mapToLong(HostResources::residentBytes).sum() / MIB,
                workerPids.stream()
                        .mapToLong(pid -> entries(process(pid).resolve("fd")))
                        .sum());
    }

    private static Path process(long pid) {
        return Path.of("/proc", String.valueOf(pid));
    }

    private static long usedBytes(Path mount) {
        try {
            FileStore store = Files.getFileStore(mount);
            return store.getTotalSpace() - store.getUnallocatedSpace();
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read how full " + mount + " is: " + e.getMessage(), e);
        }
    }

    static long residentBytes(long pid) {
        Path status = process(pid).resolve("status");
        try {
            Matcher resident = RESIDENT.matcher(Files.readString(status));
            if (!resident.find()) {
                throw new IllegalStateException(status + " has no line RssAnon");
            }
            return Long.parseLong(resident.group(1)) << 10;
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + status + ": " + e.getMessage(), e);
        }
    }

    private static long entries(Path directory) {
        try (Stream<Path> files = Files.list(directory)) {
            return files.count();
        } catch (IOException e) {
            throw new UncheckedIOException("cannot list " + directory + ": " + e.getMessage(), e);
        }
    }
}
