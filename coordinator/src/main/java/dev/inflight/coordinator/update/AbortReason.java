package dev.inflight.coordinator.update;

import java.util.SortedSet;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * Why an attempt was aborted, as well as is known so far. Peers see of a worker in trouble only that connections end,
 * perhaps first one between two that live on. So what a blamed worker says itself replaces what was said of it, and who
 * was lost goes before what a worker says of another.
 */
final class AbortReason {
    private final SortedSet<String> lost = new TreeSet<>();
    private String told;
    private @Nullable String blamed;

    /** @param blamed the member that it is put on; null if on none */
    AbortReason(String told, @Nullable String blamed) {
        this.told = told;
        this.blamed = blamed;
    }

    /** A member says why it failed; {@code suspect} is the member that it blames for that, if any. */
    void failed(String worker, String why, @Nullable String suspect) {
        if (worker.equals(blamed)) {
            told = why;
            blamed = suspect;
        }
    }

    /** A member was lost since the abort began. */
    void lost(String worker) {
        lost.add(worker);
    }

    String text() {
        if (lost.isEmpty()) {
            return told;
        }
        String gone = lost.size() == 1 ? "worker " + lost.first() + " was lost" : "workers " + lost + " were lost";
        return blamed == null ? told + "; then " + gone : gone + "; first noticed by " + told;
    }
}
