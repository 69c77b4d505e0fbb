package dev.inflight.cli.doctor;

import dev.inflight.worker.device.MemInfo;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;

/** How much memory new processes can take: what the kernel calls available, within the control group's limit. */
public final class AvailableMemory {
    private AvailableMemory() {}

    /** Bytes; empty if the system does not tell. */
    public static OptionalLong bytes() {
        return bytes(MemInfo.FILE, Path.of("/sys/fs/cgroup"));
    }

    static OptionalLong bytes(Path meminfo, Path controlGroup) {
        OptionalLong bytes = MemInfo.availableBytes(meminfo);
        return bytes.isPresent()
                ? OptionalLong.of(Math.min(bytes.getAsLong(), withinLimit(controlGroup)))
                : OptionalLong.empty();
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
