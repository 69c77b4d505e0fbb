package dev.inflight.cli.bench;

import dev.inflight.cli.doctor.AvailableMemory;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/**
 * What an update that leaks would take more and more of.
 *
 * @param deviceFreeMiB free memory of each GPU
 * @param memAvailableMiB memory that new processes can take; -1 if the system does not tell
 * @param shmFiles files in {@code /dev/shm}
 * @param workerFds open file descriptors of the worker hosts
 */
public record HostResources(List<Long> deviceFreeMiB, long memAvailableMiB, long shmFiles, long workerFds) {
    private static final long MIB = 1 << 20;

    public HostResources {
        deviceFreeMiB = List.copyOf(deviceFreeMiB);
    }

    static HostResources now(List<Long> deviceFreeBytes, List<Long> workerPids) {
        return new HostResources(
                deviceFreeBytes.stream().map(bytes -> bytes / MIB).toList(),
                AvailableMemory.bytes().orElse(-MIB) / MIB,
                entries(Path.of("/dev/shm")),
                workerPids.stream()
                        .mapToLong(pid -> entries(Path.of("/proc", String.valueOf(pid), "fd")))
                        .sum());
    }

    private static long entries(Path directory) {
        try (Stream<Path> files = Files.list(directory)) {
            return files.count();
        } catch (IOException e) {
            throw new UncheckedIOException("cannot list " + directory + ": " + e.getMessage(), e);
        }
    }
}
