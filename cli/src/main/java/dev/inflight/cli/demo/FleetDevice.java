package dev.inflight.cli.demo;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What the engines and slots of a local fleet are on.
 *
 * @param slotMemoryBytes most memory that one slot ring takes on a GPU
 * @param gpus UUIDs of the GPUs; with more workers than GPUs, several share one
 * @param hosts worker hosts that workers on GPUs are spread over, in equal blocks
 */
public record FleetDevice(Kind kind, long slotMemoryBytes, List<String> gpus, int hosts) {
    /** Of what the engine's weights leave free; the configuration's own default is for engines that fill their GPU. */
    private static final String MEMORY_FRACTION = "0.25";

    public static final FleetDevice HOST = new FleetDevice(Kind.HOST, 0, List.of(), 0);

    public FleetDevice {
        gpus = List.copyOf(gpus);
        if (kind == Kind.CUDA && slotMemoryBytes < 1 << 20) {
            throw new IllegalArgumentException("--slot-memory of " + slotMemoryBytes + " bytes is below 1MiB");
        }
        if (kind == Kind.CUDA && hosts < 1) {
            throw new IllegalArgumentException("--hosts " + hosts + " is below 1");
        }
    }

    /** Where slots lie. */
    public enum Kind {
        /** Shared memory: a worker host for each engine. */
        HOST,
        /** GPUs of this machine; worker i and engine i are on the same. */
        CUDA
    }

    public boolean cuda() {
        return kind == Kind.CUDA;
    }

    /** @throws IllegalArgumentException if that many workers can not be spread evenly */
    int workersPerHost(int workers) {
        if (!cuda()) {
            return 1;
        }
        if (workers % hosts != 0) {
            throw new IllegalArgumentException(
                    workers + " workers can not be spread evenly over " + hosts + " worker hosts");
        }
        return workers / hosts;
    }

    /** UUID of the GPU that a worker and its engine are on. */
    String gpu(int worker) {
        return gpus.get(worker % gpus.size());
    }

    /**
     * Settings of a worker host.
     *
     * @param first number in the fleet of its first worker
     * @param workers on that host
     */
    Map<String, String> workerSettings(int first, int workers) {
        Map<String, String> settings = new LinkedHashMap<>();
        if (cuda()) {
            settings.put("inflight.worker.device", "cuda");
            settings.put("inflight.worker.slot-memory", String.valueOf(slotMemoryBytes));
            settings.put("inflight.worker.memory-fraction", MEMORY_FRACTION);
            for (int worker = 0; worker < workers; worker++) {
                settings.put("inflight.worker.gpus." + worker, gpu(first + worker));
            }
        }
        return settings;
    }

    /** Longest time until a process is up: the first import of torch with CUDA reads gigabytes. */
    Duration startLimit() {
        return Duration.ofMinutes(cuda() ? 6 : 2);
    }
}
