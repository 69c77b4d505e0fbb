package dev.inflight.worker.device;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;
import java.util.regex.Pattern;

/** What the kernel says of the machine's memory; see proc(5). */
public final class MemInfo {
    public static final Path FILE = Path.of("/proc/meminfo");

    private static final Pattern AVAILABLE = Pattern.compile("MemAvailable:\\s+(\\d+) kB");

    private MemInfo() {}

    /** Bytes that can be taken without swapping; empty if the file does not tell or there is none. */
    public static OptionalLong availableBytes(Path meminfo) {
        try {
            var available = AVAILABLE.matcher(Files.readString(meminfo));
            return available.find() ? OptionalLong.of(Long.parseLong(available.group(1)) << 10) : OptionalLong.empty();
        } catch (IOException e) {
            return OptionalLong.empty();
        }
    }
}
