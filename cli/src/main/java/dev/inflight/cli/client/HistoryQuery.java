package dev.inflight.cli.client;

import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * Which past operations are asked for.
 *
 * @param model only of this model; null for all
 * @param since only those that began at this time or later; null for all
 * @param limit at most so many, the newest
 */
public record HistoryQuery(
        @Nullable String model,
        @Nullable Instant since,
        @Nullable Integer limit) {
    /** The query of a URL, empty or with its question mark. */
    String text() {
        StringBuilder text = new StringBuilder();
        add(text, "model", model);
        add(text, "since", since);
        add(text, "limit", limit);
        return text.toString();
    }

    private static void add(StringBuilder text, String name, @Nullable Object value) {
        if (value != null) {
            text.append(text.isEmpty() ? '?' : '&')
                    .append(name)
                    .append('=')
                    .append(URLEncoder.encode(value.toString(), StandardCharsets.UTF_8));
        }
    }
}
