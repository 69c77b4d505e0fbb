package dev.inflight.protocol.link;

import java.util.regex.Pattern;

/** Memory that engine and worker both map. The receiver checks that it exists and is as large as it says. */
public sealed interface SlotMemory {
    /** First byte of the slot in the file or allocation. */
    long offset();

    /** Length in bytes. */
    long bytes();

    static SlotMemory shm(String path, long offset, long bytes) {
        return new Shm(path, offset, bytes);
    }

    /**
     * A range of a POSIX shared-memory file.
     *
     * @param path the file, absolute, under {@code /dev/shm}
     */
    record Shm(String path, long offset, long bytes) implements SlotMemory {}

    /**
     * A range of a CUDA allocation that its owner exported with {@code cuIpcGetMemHandle}.
     *
     * @param handle the 64 bytes of the CUipcMemHandle in hex; it stands for the whole allocation
     * @param device the UUID of the GPU the memory is on, as {@code GPU-…}
     */
    record Cuda(String handle, String device, long offset, long bytes) implements SlotMemory {
        public static final int HANDLE_DIGITS = 128;

        private static final Pattern HANDLE = Pattern.compile("[0-9a-fA-F]{" + HANDLE_DIGITS + "}");

        /** Throws {@link IllegalArgumentException} unless the handle is 128 hex digits. */
        public Cuda {
            if (!isHandle(handle)) {
                throw new IllegalArgumentException(
                        "a CUDA IPC handle is %d hex digits, not \"%s\"".formatted(HANDLE_DIGITS, handle));
            }
        }

        static boolean isHandle(String text) {
            return HANDLE.matcher(text).matches();
        }
    }
}
