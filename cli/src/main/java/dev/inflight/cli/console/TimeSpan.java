package dev.inflight.cli.console;

import java.time.Duration;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Spans of time as people write them: 90s, 30m, 24h, 7d. */
public final class TimeSpan {
    private static final Pattern SPAN = Pattern.compile("(\\d{1,9})([smhd])");

    private TimeSpan() {}

    /** Null if the text is none. */
    public static @Nullable Duration parse(String text) {
        Matcher span = SPAN.matcher(text);
        if (!span.matches()) {
            return null;
        }
        long count = Long.parseLong(span.group(1));
        return switch (span.group(2)) {
            case "s" -> Duration.ofSeconds(count);
            case "m" -> Duration.ofMinutes(count);
            case "h" -> Duration.ofHours(count);
            default -> Duration.ofDays(count);
        };
    }
}
