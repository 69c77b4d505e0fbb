package dev.inflight.cli.node;

import java.io.IOException;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Puts a process behind others that want the same processors: {@code int setpriority(int which, id_t who, int prio)}.
 * Linux keeps the value for each thread, and a new one takes that of the thread that starts it.
 */
final class Niceness {
    private static final Logger LOG = LoggerFactory.getLogger(Niceness.class);

    private static final String SETTING = "inflight.worker.nice";

    /** {@code PRIO_PROCESS} of {@code <sys/resource.h>}: one thread, by its id. */
    private static final int ONE_THREAD = 0;

    /** A thread that was not seen may have started another one meanwhile. */
    private static final int PASSES = 5;

    /** Where the value is among the fields of {@code /proc/PID/task/TID/stat} that follow the name. */
    private static final int FIELD = 16;

    private static final MethodHandle SET_PRIORITY = Linker.nativeLinker()
            .downcallHandle(
                    Linker.nativeLinker().defaultLookup().findOrThrow("setpriority"),
                    FunctionDescriptor.of(
                            ValueLayout.JAVA_INT, ValueLayout.JAVA_INT, ValueLayout.JAVA_INT, ValueLayout.JAVA_INT));

    private Niceness() {}

    /**
     * Gives all threads of a process of this user at least that value, and so those that they start. Logs a warning if
     * it can not.
     *
     * @param nice 0 to 19; 0 changes nothing, and a thread that has more keeps it
     */
    static void raise(long pid, int nice) {
        if (nice == 0) {
            return;
        }
        Path threads = Path.of("/proc", String.valueOf(pid), "task");
        try {
            for (int pass = 0; pass < PASSES; pass++) {
                if (raiseAll(threads, nice)) {
                    return;
                }
            }
            LOG.warn("{} = {}: some threads do not take it; start the process with nice instead", SETTING, nice);
        } catch (IOException e) {
            LOG.warn("{} = {} has no effect; start the process with nice instead: {}", SETTING, nice, e.toString());
        }
    }

    /** Whether all had it already. */
    private static boolean raiseAll(Path threads, int nice) throws IOException {
        boolean all = true;
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(threads)) {
            for (Path thread : entries) {
                if (niceness(thread) < nice) {
                    all = false;
                    if (!set(Integer.parseInt(thread.getFileName().toString()), nice)) {
                        LOG.debug("{} has ended, or does not take it", thread);
                    }
                }
            }
        }
        return all;
    }

    /** That of a thread; the highest if it has ended. */
    private static int niceness(Path thread) {
        try {
            String stat = Files.readString(thread.resolve("stat"));
            return Integer.parseInt(stat.substring(stat.lastIndexOf(')') + 2).split(" ", FIELD + 2)[FIELD]);
        } catch (IOException ended) {
            return Integer.MAX_VALUE;
        }
    }

    private static boolean set(int thread, int nice) {
        try {
            return (int) SET_PRIORITY.invokeExact(ONE_THREAD, thread, nice) == 0;
        } catch (Throwable e) {
            throw new IllegalStateException("calling setpriority", e);
        }
    }
}
