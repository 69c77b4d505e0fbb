package dev.inflight.cli.doctor;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** How much memory new processes can take: what the kernel calls available, within the control group's limit. */
public final class AvailableMemory {
    private static final Pattern AVAILABLE = Pattern.compile("MemAvailable:\\s+(\\d+) kB");

    private AvailableMemory() {}

    /** Bytes; empty if the system does not tell. */
    public static OptionalLong bytes() {
        return bytes(Path.of("/proc/meminfo"), Path.of("/sys/fs/cgroup"));
    }

    static OptionalLong bytes(Path meminfo, Path controlGroup) {
        try {
            Matcher available = AVAILABLE.matcher(Files.readString(meminfo));
            if (!available.find()) {
                return OptionalLong.empty();
            }
            long bytes = Long.parseLong(available.group(1)) << 10;
            return OptionalLong.of(Math.min(bytes, withinLimit(controlGroup)));
        } catch (IOException e) {
            return OptionalLong.empty();
        }
    }

    /** What the control group (version 2) leaves; no bound if it sets none. */
    private static long withinLimit(Path controlGroup) {
        try {
            long limit = Long.parseLong(
                    Files.readString(controlGroup.resolve("memory.max")).strip());
            long used = Long.parseLong(
                    Files.readString(controlGroup.resolve("memory.current")).strip());
            return Math.max(0, limit - used);
        } catch (IOException | NumberFormatException e) {
            return Long.MAX_VALUE;
        }
    }
}
