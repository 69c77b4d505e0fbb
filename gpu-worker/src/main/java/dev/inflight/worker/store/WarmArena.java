package dev.inflight.worker.store;

import dev.inflight.worker.device.SharedMemory;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/** One large shared-memory file that was made ready before it is needed, handed out in runs. Not thread-safe. */
final class WarmArena {
    /** Runs begin at multiples of this many bytes: a page. */
    private static final long ALIGNMENT = 4096;

    private final SharedMemory file;

    /** Length of each free run by its first byte; neighbours are always joined. */
    private final TreeMap<Long, Long> free = new TreeMap<>();

    WarmArena(SharedMemory file) {
        this.file = file;
        free.put(0L, file.bytes());
    }

    /** The first run that is long enough. */
    Optional<ArenaBlock> take(long bytes) {
        long length = Math.ceilDiv(bytes, ALIGNMENT) * ALIGNMENT;
        var found = free.entrySet().stream()
                .filter(run -> run.getValue() >= length)
                .findFirst()
                .map(run -> Map.entry(run.getKey(), run.getValue()));
        found.ifPresent(run -> {
            free.remove(run.getKey());
            if (run.getValue() > length) {
                free.put(run.getKey() + length, run.getValue() - length);
            }
        });
        return found.map(run -> new ArenaBlock(file, run.getKey(), length));
    }

    long freeBytes() {
        return free.values().stream().mapToLong(Long::longValue).sum();
    }

    boolean owns(ArenaBlock block) {
        return block.file() == file;
    }

    void give(ArenaBlock block) {
        long begin = block.base();
        long length = block.bytes();
        var after = free.get(begin + length);
        if (after != null) {
            free.remove(begin + length);
            length += after;
        }
        var before = free.floorEntry(begin);
        if (before != null && before.getKey() + before.getValue() == begin) {
            begin = before.getKey();
            length += before.getValue();
        }
        free.put(begin, length);
    }

    void close() {
        file.close();
    }
}
