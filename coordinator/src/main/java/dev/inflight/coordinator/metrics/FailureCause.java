package dev.inflight.coordinator.metrics;

import java.util.Locale;
import java.util.regex.Pattern;

/**
 * Why an operation did not do all it should have, as a bounded set for metrics; the reason in words is in its result.
 * Told from the words, so {@code FailureCauseTest} holds them together; what fits nothing is {@link #OTHER}.
 */
public enum FailureCause {
    /** A worker, an engine or the coordinator would not take it: the request or the software does not fit. */
    REFUSED("cannot take part|refused|does not support|under another version|no engine"),
    /** A checkpoint, tensor, bucket or chunk was not what it should have been. */
    CORRUPT("crc32c|damaged|not what was published|its digest is now|the files changed|changed since"),
    /** An engine's process or its connection to the worker is gone. */
    ENGINE_LOST("engine \\S+ (was lost|is no longer connected)"),
    /** A worker, its host or the way to it is gone. */
    WORKER_LOST("workers? \\S.* (was|were) lost|(host|owner|consumer) \\S+ was lost"
            + "|lost (before|after) the commit point|lost while preparing|nobody can stand in for lost"
            + "|cannot connect|connection (reset|refused|closed)|broken pipe"),
    /** The coordinator was lost before it could say how the operation ended. */
    COORDINATOR_LOST("coordinator (was|is) (lost|gone)"),
    /** Nothing moved, or nobody answered, for as long as is allowed. */
    TIMEOUT("(within|for) \\d+ m?s|nothing moved|timed out"),
    /** Members do not agree on what is to be done: their software or files differ. */
    DISAGREED("different plans|different layouts"),
    /** Shards, files or memory that it needs are not there. */
    UNAVAILABLE("can not be loaded|can not load|no host|no such file|does not hold|out of memory|no space|being freed"),
    /** It was given up for another operation, or because somebody stops. */
    CANCELLED("broken off|an update to version|cancelled|the worker stops"),
    /** The engine could not do what it was asked. */
    ENGINE_FAILED("engine \\S+: "),
    /** A defect of Inflight's own; the log has it. */
    INTERNAL("internal error"),
    /** None of these. */
    OTHER("");

    private final Pattern words;

    FailureCause(String words) {
        this.words = Pattern.compile(words);
    }

    /** The first cause whose words are in a reason: what was lost or damaged goes before how that was noticed. */
    public static FailureCause of(String reason) {
        String lower = reason.toLowerCase(Locale.ROOT);
        for (FailureCause cause : values()) {
            if (cause != OTHER && cause.words.matcher(lower).find()) {
                return cause;
            }
        }
        return OTHER;
    }

    /** Its name in metrics. */
    public String label() {
        return name().toLowerCase(Locale.ROOT);
    }
}
