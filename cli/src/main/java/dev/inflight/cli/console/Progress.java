package dev.inflight.cli.console;

import java.io.PrintWriter;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;
import org.jspecify.annotations.Nullable;

/**
 * Tells whoever waits what is going on, on standard error: a bar per step on a terminal, one line per step elsewhere.
 * Thread-safe; who shares a step gives it the same name.
 */
public final class Progress implements AutoCloseable {
    private static final long MEBIBYTE = 1 << 20;

    private final PrintWriter err;
    private final boolean terminal;
    private String step = "";
    private @Nullable ProgressBar bar;

    /** @param terminal whether standard error is a terminal that can show bars */
    public Progress(PrintWriter err, boolean terminal) {
        this.err = err;
        this.terminal = terminal;
    }

    /** Standard error's own answer, found out by the launcher, which can ask for one file descriptor. */
    public static boolean stderrIsTerminal() {
        return Boolean.getBoolean("inflight.stderr.terminal");
    }

    /** Begins a step of unknown length; the step before it is over. */
    public synchronized void step(String name) {
        if (name.equals(step)) {
            return;
        }
        closeBar();
        step = name;
        err.println(name);
        err.flush();
    }

    /** Shows how far a step is. Totals of zero or less are not yet known and show no bar. */
    public synchronized void advance(String name, long doneBytes, long totalBytes) {
        step(name);
        if (!terminal || totalBytes <= 0) {
            return;
        }
        if (bar == null) {
            bar = new ProgressBarBuilder()
                    .setTaskName("  ")
                    .setInitialMax(totalBytes)
                    .setUnit(" MiB", MEBIBYTE)
                    .setStyle(ProgressBarStyle.UNICODE_BLOCK)
                    .clearDisplayOnFinish()
                    .build();
        }
        bar.maxHint(totalBytes);
        bar.stepTo(Math.min(doneBytes, totalBytes));
    }

    @Override
    public synchronized void close() {
        closeBar();
        step = "";
    }

    private void closeBar() {
        if (bar != null) {
            bar.close();
            bar = null;
        }
    }
}
