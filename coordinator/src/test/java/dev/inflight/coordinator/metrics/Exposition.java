package dev.inflight.coordinator.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Reads <a href="https://prometheus.io/docs/instrumenting/exposition_formats/">Prometheus' text format 0.0.4</a> and
 * asserts that it is that: names, types before samples, no sample twice, histograms that add up.
 */
public final class Exposition {
    private static final Pattern TYPE = Pattern.compile("# TYPE (inflight_[a-z0-9_]+) (counter|gauge|histogram)");
    private static final Pattern LABEL = Pattern.compile("[a-z_]+=\"(?:[^\"\\\\\\n]|\\\\[\\\\\"n])*\"");
    private static final Pattern SAMPLE =
            Pattern.compile("(inflight_[a-z0-9_]+)(?:\\{((?:%1$s,?)*)})? (\\S+)".formatted(LABEL.pattern()));

    private final Map<String, Double> samples = new TreeMap<>();

    private Exposition() {}

    public static Exposition read(String text) {
        assertThat(text).endsWith("\n");
        Exposition read = new Exposition();
        Map<String, String> types = new HashMap<>();
        for (String line : text.split("\n", -1)) {
            Matcher type = TYPE.matcher(line);
            if (type.matches()) {
                assertThat(types.put(type.group(1), type.group(2))).as(line).isNull();
            } else if (!line.isEmpty() && !line.startsWith("# HELP ")) {
                read.sample(line, types);
            }
        }
        read.bucketsAddUp();
        return read;
    }

    private void sample(String line, Map<String, String> types) {
        Matcher sample = SAMPLE.matcher(line);
        assertThat(sample.matches()).as(line).isTrue();
        String name = sample.group(1);
        String family = types.containsKey(name) ? name : name.replaceFirst("_(bucket|count|sum)$", "");
        assertThat(types).as(line).containsKey(family);
        assertThat(name.endsWith("_total")).as(line).isEqualTo("counter".equals(types.get(family)));
        String series = name + (sample.group(2) == null ? "" : "{" + sample.group(2) + "}");
        assertThat(samples.put(series, Double.parseDouble(sample.group(3))))
                .as(line)
                .isNull();
    }

    private void bucketsAddUp() {
        samples.forEach((series, value) -> {
            if (series.contains("le=\"+Inf\"")) {
                String count = series.replaceFirst("_bucket\\{", "_count{").replaceFirst(",?le=\"\\+Inf\"", "");
                assertThat(value).as(series).isEqualTo(samples.get(count));
            }
        });
    }

    /** @param series as in the text, e.g. {@code inflight_hosts} or {@code inflight_engines{model="m",state="serving"}} */
    public double value(String series) {
        return samples.getOrDefault(series, 0.0);
    }

    public boolean has(String prefix) {
        return samples.keySet().stream().anyMatch(series -> series.startsWith(prefix));
    }
}
