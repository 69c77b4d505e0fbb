package dev.inflight.cli;

/** What the exit codes of {@code inflight} mean. */
final class ExitCode {
    static final int OK = 0;
    static final int FAILED = 1;
    static final int USAGE = 2;
    static final int UNREACHABLE = 3;
    static final int REFUSED = 4;
    static final int INTERRUPTED = 130;

    private ExitCode() {}
}
