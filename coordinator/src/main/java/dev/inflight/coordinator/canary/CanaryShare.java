package dev.inflight.coordinator.canary;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * How many engines try a version.
 *
 * @param number of engines, or percent of them
 */
record CanaryShare(int number, boolean percent) {
    private static final Pattern TEXT = Pattern.compile("([1-9][0-9]{0,5})(%?)");
    private static final int ALL_PERCENT = 100;

    /** @throws CanaryException if the text is neither a number of engines nor a percentage */
    static CanaryShare parse(String text) {
        Matcher matcher = TEXT.matcher(text);
        if (!matcher.matches()) {
            throw new CanaryException(
                    "canary: must be a number of engines or a percentage, like 1 or 10%, but is \"" + text + "\"");
        }
        CanaryShare share = new CanaryShare(
                Integer.parseInt(matcher.group(1)), !matcher.group(2).isEmpty());
        if (share.percent && share.number > ALL_PERCENT) {
            throw new CanaryException("canary: " + text + " is more than all engines");
        }
        return share;
    }

    /** Percentages are rounded up; at least one, and one is left to the others if there are others. */
    int of(int engines) {
        long wanted = percent ? Math.ceilDiv((long) engines * number, ALL_PERCENT) : number;
        return Math.clamp(wanted, 1, Math.max(1, engines - 1));
    }

    @Override
    public String toString() {
        return number + (percent ? "%" : "");
    }
}
