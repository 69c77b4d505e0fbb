package dev.inflight.protocol.cluster;

import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Names a lease: {@code <host>-<number>}. The checkpoint that was written there is published from the source
 * {@code arena:<lease>}.
 *
 * @param host the lending host
 * @param number twelve hexadecimal digits
 */
public record LeaseId(String host, String number) {
    private static final String SCHEME = "arena:";
    private static final Pattern FORM = Pattern.compile("(.+)-([0-9a-f]{12})");

    /** Null if it has not the form of one. */
    public static @Nullable LeaseId parse(String text) {
        Matcher form = FORM.matcher(text);
        return form.matches() ? new LeaseId(form.group(1), form.group(2)) : null;
    }

    /** The lease that a checkpoint's source stands for; null if it stands for files. */
    public static @Nullable LeaseId ofSource(String source) {
        return source.startsWith(SCHEME) ? parse(source.substring(SCHEME.length())) : null;
    }

    public String source() {
        return SCHEME + this;
    }

    @Override
    public String toString() {
        return host + "-" + number;
    }
}
