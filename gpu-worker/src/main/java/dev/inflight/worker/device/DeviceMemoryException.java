package dev.inflight.worker.device;

/** A device can not give the memory asked for; the message has the numbers and the setting to change. */
public final class DeviceMemoryException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    DeviceMemoryException(String message) {
        super(message);
    }

    DeviceMemoryException(String message, Throwable cause) {
        super(message, cause);
    }

    /** @return the bytes that the slots take together */
    static long requireWithin(int count, long slotBytes, long budgetBytes) {
        long bytes = Math.multiplyExact(count, slotBytes);
        if (bytes > budgetBytes) {
            throw new DeviceMemoryException(count + " slots of " + slotBytes + " bytes need " + bytes
                    + " bytes, the slot budget is " + budgetBytes
                    + "; raise inflight.worker.slot-memory or lower inflight.coordinator.update.max-slot");
        }
        return bytes;
    }
}
