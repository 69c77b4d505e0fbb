package dev.inflight.worker.nccl;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * {@code ncclConfig_t} as NCCL 2.14 had it, 24 bytes:
 *
 * <pre>
 *  0  size      8 bytes, size_t: 24
 *  8  magic     4 bytes: 0xcafebeef
 * 12  version   4 bytes: 21400
 * 16  blocking  4 bytes: 0
 * 20  padding   4 bytes; newer versions have cgaClusterSize here, so it says "undefined"
 * </pre>
 *
 * <p>Every later library takes it: {@code parseCommConfig} in NCCL's {@code src/init.cc} copies the smaller of the
 * given and its own size over a structure of defaults, checks the magic, and then puts its default into each field that
 * is younger than the given version ({@code version < NCCL_VERSION(2, 17, 0)} resets {@code cgaClusterSize} to {@code
 * netName}, and so on). Fields were only ever appended.
 */
final class NcclConfig {
    static final int VERSION = 21400;

    private static final long SIZE = 24;
    private static final int MAGIC = 0xcafebeef;
    private static final int UNDEFINED = Integer.MIN_VALUE;

    private NcclConfig() {}

    static MemorySegment nonBlocking(Arena arena) {
        MemorySegment config = arena.allocate(SIZE, Long.BYTES);
        config.set(JAVA_LONG, 0, SIZE);
        config.set(JAVA_INT, 8, MAGIC);
        config.set(JAVA_INT, 12, VERSION);
        config.set(JAVA_INT, 16, 0);
        config.set(JAVA_INT, 20, UNDEFINED);
        return config;
    }
}
