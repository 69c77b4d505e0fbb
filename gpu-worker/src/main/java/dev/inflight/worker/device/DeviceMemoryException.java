package dev.inflight.worker.device;

/** A device can not give the memory asked for; the message has the numbers and the setting to change. */
public final class DeviceMemoryException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    DeviceMemoryException(String message) {
        super(message);
    }
}
