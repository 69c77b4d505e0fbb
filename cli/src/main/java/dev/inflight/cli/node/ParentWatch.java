package dev.inflight.cli.node;

/** Ends a process whose parent is gone, so that a killed demo leaves nothing running. */
final class ParentWatch {
    private ParentWatch() {}

    /** Runs {@code end} once the process is gone; at once if it already is. */
    static void start(long pid, Runnable end) {
        ProcessHandle.of(pid).ifPresentOrElse(parent -> parent.onExit().thenRun(end), end);
    }
}
