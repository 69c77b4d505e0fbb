package dev.inflight.cli.demo;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What the engines and slots of a local fleet are on.
 *
 * @param slotMemoryBytes most memory that one slot ring takes on a GPU
 */
public record FleetDevice(Kind kind, long slotMemoryBytes) {
    /** Of what the engine's weights leave free; the configuration's own default is for engines that fill their GPU. */
    private static final String MEMORY_FRACTION = "0.25";

    public static final FleetDevice HOST = new FleetDevice(Kind.HOST, 0);

    public FleetDevice {
        if (kind == Kind.CUDA && slotMemoryBytes < 1 << 20) {
            throw new IllegalArgumentException("--slot-memory of " + slotMemoryBytes + " bytes is below 1MiB");
        }
    }

    /** Where slots lie. */
    public enum Kind {
        /** Shared memory: a worker host for each engine. */
        HOST,
        /** GPUs of this machine: one worker host, whose worker i and engine i are on the i-th GPU. */
        CUDA
    }

    public boolean cuda() {
        return kind == Kind.CUDA;
    }

    /** Settings of the worker hosts. */
    Map<String, String> workerSettings() {
        Map<String, String> settings = new LinkedHashMap<>();
        if (cuda()) {
            settings.put("inflight.worker.device", "cuda");
            settings.put("inflight.worker.slot-memory", String.valueOf(slotMemoryBytes));
            settings.put("inflight.worker.memory-fraction", MEMORY_FRACTION);
        }
        return settings;
    }

    /** Longest time until a process is up: the first import of torch with CUDA reads gigabytes. */
    Duration startLimit() {
        return Duration.ofMinutes(cuda() ? 6 : 2);
    }
}
