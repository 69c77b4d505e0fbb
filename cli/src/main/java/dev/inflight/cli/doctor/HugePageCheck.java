package dev.inflight.cli.doctor;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Whether host stores and slots are in huge pages: tmpfs has them if its mount and the kernel allow it. */
final class HugePageCheck {
    private static final String NAME = "huge pages";
    private static final String ADVICE =
            ": fewer page faults, and fresh memory is touched faster unless a hypervisor gives it";
    private static final Path MOUNTS = Path.of("/proc/self/mounts");
    private static final Path KERNEL = Path.of("/sys/kernel/mm/transparent_hugepage/shmem_enabled");

    /** Of lines of {@code DEVICE /dev/shm tmpfs OPTIONS 0 0}, the options. */
    private static final Pattern MOUNT = Pattern.compile("^\\S+ /dev/shm tmpfs (\\S+)", Pattern.MULTILINE);

    private static final Pattern HUGE = Pattern.compile("(?:^|,)huge=(\\w+)");

    private HugePageCheck() {}

    static Check run() {
        try {
            return Files.exists(KERNEL)
                    ? of(Files.readString(MOUNTS), Files.readString(KERNEL))
                    : Check.ok(NAME, "this kernel has none for shared memory");
        } catch (IOException e) {
            return Check.warn(NAME, "unknown", "cannot read " + e.getMessage());
        }
    }

    /**
     * @param mounts as in {@code /proc/self/mounts}; the last mount at a place is the one that is seen
     * @param kernel as in {@code shmem_enabled}, where the choice is in brackets
     */
    static Check of(String mounts, String kernel) {
        if (kernel.contains("[deny]")) {
            return Check.warn(
                    NAME,
                    "denied by the kernel",
                    "echo never > " + KERNEL + ", and mount /dev/shm with huge=advise" + ADVICE);
        }
        if (kernel.contains("[force]")) {
            return Check.ok(NAME, "forced by the kernel");
        }
        String options =
                MOUNT.matcher(mounts).results().map(mount -> mount.group(1)).reduce("", (before, last) -> last);
        Matcher huge = HUGE.matcher(options);
        String allowed = huge.find() ? huge.group(1) : "never";
        return allowed.equals("never")
                ? Check.warn(NAME, "/dev/shm has none", "mount -o remount,huge=advise /dev/shm" + ADVICE)
                : Check.ok(NAME, "/dev/shm: huge=" + allowed);
    }
}
