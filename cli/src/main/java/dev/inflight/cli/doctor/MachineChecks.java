package dev.inflight.cli.doctor;

import dev.inflight.cli.console.ByteSize;
import java.io.IOException;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The machine itself: cores, memory, shared memory, limits. */
final class MachineChecks {
    private static final Path SHARED_MEMORY = Path.of("/dev/shm");
    private static final long DEMO_MEMORY = 4L << 30;
    private static final long DEMO_SHARED_MEMORY = 2L << 30;
    /** {@code sun_path} of a Unix socket's address, with its terminating zero. */
    private static final int SOCKET_PATH_BYTES = 108;

    private static final int SOCKET_NAME_BYTES = 40;

    List<Check> run() {
        return List.of(system(), cores(), memory(), sharedMemory(), HugePageCheck.run(), lockedMemory(), socketPath());
    }

    private static Check system() {
        String found = System.getProperty("os.name") + " " + System.getProperty("os.version") + " "
                + System.getProperty("os.arch");
        return found.startsWith("Linux")
                ? Check.ok("system", found)
                : Check.fail("system", found, "Inflight runs on Linux: it shares memory through /dev/shm");
    }

    private static Check cores() {
        int cores = Runtime.getRuntime().availableProcessors();
        return cores >= 2
                ? Check.ok("cores", String.valueOf(cores))
                : Check.warn("cores", String.valueOf(cores), "updates overlap copying and checking: give it 2 or more");
    }

    private static Check memory() {
        OptionalLong bytes = AvailableMemory.bytes();
        if (bytes.isEmpty()) {
            return Check.warn("memory", "unknown", "/proc/meminfo does not tell MemAvailable");
        }
        String found = ByteSize.format(bytes.getAsLong()) + " available";
        return bytes.getAsLong() >= DEMO_MEMORY
                ? Check.ok("memory", found)
                : Check.warn("memory", found, "the default demo takes about 3 GiB; try --size 64MiB");
    }

    private static Check sharedMemory() {
        try {
            FileStore store = Files.getFileStore(SHARED_MEMORY);
            String found =
                    ByteSize.format(store.getUsableSpace()) + " free of " + ByteSize.format(store.getTotalSpace());
            if (!store.type().equals("tmpfs")) {
                return Check.fail("/dev/shm", found + ", " + store.type(), "mount a tmpfs at /dev/shm");
            }
            return store.getUsableSpace() >= DEMO_SHARED_MEMORY
                    ? Check.ok("/dev/shm", found)
                    : Check.warn(
                            "/dev/shm",
                            found,
                            "host stores and slots live there: mount -o remount,size=8G /dev/shm, or docker run --shm-size 8g");
        } catch (IOException e) {
            return Check.fail("/dev/shm", "missing", "mount a tmpfs at /dev/shm: mount -t tmpfs tmpfs /dev/shm");
        }
    }

    private static Check lockedMemory() {
        try {
            Matcher limit = Pattern.compile("Max locked memory\\s+(\\S+)")
                    .matcher(Files.readString(Path.of("/proc/self/limits")));
            String found = limit.find() ? limit.group(1) : "unknown";
            if (found.equals("unlimited")) {
                return Check.ok("memlock", found);
            }
            String shown = found.equals("unknown") ? found : ByteSize.format(Long.parseLong(found));
            return Check.warn(
                    "memlock", shown, "pinned memory for GPUs needs ulimit -l unlimited; without a GPU ignore this");
        } catch (IOException e) {
            return Check.warn("memlock", "unknown", "cannot read /proc/self/limits: " + e.getMessage());
        }
    }

    private static Check socketPath() {
        String directory = "/tmp";
        int left = SOCKET_PATH_BYTES - directory.length() - SOCKET_NAME_BYTES;
        String found = directory + " leaves " + left + " bytes of " + SOCKET_PATH_BYTES + " for a run directory's name";
        return Files.isWritable(Path.of(directory))
                ? Check.ok("Unix sockets", found)
                : Check.fail(
                        "Unix sockets",
                        directory + " cannot be written",
                        "make /tmp writable: run directories are there");
    }
}
