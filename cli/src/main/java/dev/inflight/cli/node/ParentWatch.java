package dev.inflight.cli.node;

/** Ends a process whose parent is gone, so that a killed demo leaves nothing running. */
final class ParentWatch {
    private ParentWatch() {}

    /** Runs {@code end} once the process is gone, on a thread of its own; at once if it already is. */
    static void start(long pid, Runnable end) {
        Thread.ofVirtual().name("parent-watch").start(() -> {
            ProcessHandle.of(pid).ifPresent(parent -> parent.onExit().join());
            end.run();
        });
    }
}
