package dev.inflight.protocol.link;

/**
 * Memory that engine and worker both map. The receiver checks that it exists and is as large as it says.
 *
 * @param kind what sort of memory; {@link #SHM} is the only one so far
 * @param path the POSIX shared-memory file, absolute, under {@code /dev/shm}
 * @param offset first byte in the file
 * @param bytes length
 */
public record SlotMemory(String kind, String path, long offset, long bytes) {
    /** A POSIX shared-memory file. */
    public static final String SHM = "shm";

    public static SlotMemory shm(String path, long offset, long bytes) {
        return new SlotMemory(SHM, path, offset, bytes);
    }
}
