package dev.inflight.coordinator.canary;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * What every series of a metric must be, like {@code errors{version="v2"}<=3}.
 *
 * @param labels only series with these labels count
 */
record MetricCondition(String name, Map<String, String> labels, Comparison comparison, double limit) {
    /** How values are compared with the limit. */
    enum Comparison {
        BELOW("<"),
        AT_MOST("<="),
        ABOVE(">"),
        AT_LEAST(">=");

        private final String sign;

        Comparison(String sign) {
            this.sign = sign;
        }

        boolean holds(double value, double limit) {
            return switch (this) {
                case BELOW -> value < limit;
                case AT_MOST -> value <= limit;
                case ABOVE -> value > limit;
                case AT_LEAST -> value >= limit;
            };
        }

        static Comparison of(String sign) {
            for (Comparison comparison : values()) {
                if (comparison.sign.equals(sign)) {
                    return comparison;
                }
            }
            throw new IllegalArgumentException(sign);
        }
    }

    private static final String SERIES = "([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\\{(.*)})?";
    private static final Pattern CONDITION = Pattern.compile(SERIES + "(<=|>=|<|>)([^<>=]+)");
    private static final Pattern LINE = Pattern.compile(SERIES + "\\s+(\\S+)(?:\\s+-?[0-9]+)?");
    private static final Pattern LABEL =
            Pattern.compile("\\s*([a-zA-Z_][a-zA-Z0-9_]*)\\s*=\\s*\"((?:[^\"\\\\]|\\\\.)*)\"\\s*,?");

    MetricCondition {
        labels = Map.copyOf(labels);
    }

    /** @throws CanaryException if it is not NAME{LABELS} with a comparison and a number */
    static MetricCondition parse(String text) {
        Matcher matcher = CONDITION.matcher(text);
        Map<String, String> labels = matcher.matches() ? labels(matcher.group(2)) : null;
        if (labels == null) {
            throw new CanaryException(
                    "check: \"" + text + "\" is no condition like error_rate<0.01 or errors{version=\"v2\"}<=3");
        }
        try {
            double limit = Double.parseDouble(matcher.group(4).strip());
            if (Double.isFinite(limit)) {
                return new MetricCondition(matcher.group(1), labels, Comparison.of(matcher.group(3)), limit);
            }
        } catch (NumberFormatException e) {
            // Said below.
        }
        throw new CanaryException("check: \"" + matcher.group(4) + "\" in \"" + text + "\" is not a number");
    }

    /**
     * Compares what an endpoint shows.
     *
     * @param exposition in Prometheus' text format
     * @return why it does not hold; null if it does
     */
    @Nullable
    String violation(String exposition) {
        List<Double> values = new ArrayList<>();
        for (String line : exposition.split("\n", -1)) {
            if (line.startsWith(name)) {
                Double value = value(line.strip());
                if (value != null) {
                    values.add(value);
                }
            }
        }
        if (values.isEmpty()) {
            return "metric " + series() + " is not there";
        }
        // What is not a number never holds.
        return values.stream()
                .filter(value -> !comparison.holds(value, limit))
                .findFirst()
                .map(value -> "metric " + series() + " is " + value + ", not " + comparison.sign + " " + limit)
                .orElse(null);
    }

    private @Nullable Double value(String line) {
        Matcher matcher = LINE.matcher(line);
        if (!matcher.matches() || !matcher.group(1).equals(name)) {
            return null;
        }
        Map<String, String> own = labels(matcher.group(2));
        if (own == null || !own.entrySet().containsAll(labels.entrySet())) {
            return null;
        }
        return switch (matcher.group(3)) {
            case "+Inf", "Inf" -> Double.POSITIVE_INFINITY;
            case "-Inf" -> Double.NEGATIVE_INFINITY;
            default -> number(matcher.group(3));
        };
    }

    private static double number(String text) {
        try {
            return Double.parseDouble(text);
        } catch (NumberFormatException e) {
            return Double.NaN;
        }
    }

    private String series() {
        return labels.isEmpty() ? name : name + new TreeMap<>(labels);
    }

    /** Null if the text is no list of labels. */
    private static @Nullable Map<String, String> labels(@Nullable String text) {
        Map<String, String> labels = new TreeMap<>();
        if (text == null) {
            return labels;
        }
        Matcher matcher = LABEL.matcher(text);
        int at = 0;
        while (at < text.length() && matcher.find(at) && matcher.start() == at) {
            labels.put(matcher.group(1), matcher.group(2));
            at = matcher.end();
        }
        return at == text.length() ? labels : null;
    }
}
