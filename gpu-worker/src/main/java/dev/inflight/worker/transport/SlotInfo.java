package dev.inflight.worker.transport;

/**
 * One slot of an owner, as a consumer on the same machine can map it.
 *
 * @param index number of the slot, unique within the owner
 * @param path absolute path of the shm file
 * @param offset first byte of the slot in that file
 * @param bytes capacity of the slot
 */
public record SlotInfo(int index, String path, long offset, long bytes) {
    public SlotInfo {
        if (index < 0 || offset < 0 || bytes < 0 || Long.MAX_VALUE - offset < bytes) {
            throw new IllegalArgumentException(
                    "slot " + index + " of " + path + ": offset " + offset + ", bytes " + bytes + " is no valid range");
        }
    }
}
