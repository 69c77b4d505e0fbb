package dev.inflight.worker;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigValue;
import com.typesafe.config.ConfigValueType;
import dev.inflight.protocol.link.EngineMessage.Hello;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;

/**
 * By what the engines of a host can be selected.
 *
 * @param ofHost labels of all of them
 * @param ofEngines further ones of single engines, by the engine's id; they come before the host's
 */
public record EngineLabels(Map<String, String> ofHost, Map<String, Map<String, String>> ofEngines) {
    static final EngineLabels NONE = new EngineLabels(Map.of(), Map.of());

    private static final int MOST = 32;
    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,62}");

    public EngineLabels {
        ofHost = Map.copyOf(ofHost);
        ofEngines = Map.copyOf(ofEngines);
    }

    /**
     * @param config {@code inflight.worker}
     * @throws ConfigException naming the label that is none
     */
    static EngineLabels from(Config config) {
        Map<String, Map<String, String>> ofEngines = new TreeMap<>();
        config.getObject("engine-labels").forEach((engine, labels) -> {
            String path = "engine-labels.\"" + engine + "\"";
            if (!(labels instanceof ConfigObject object)) {
                throw refuse(labels, path, "is not { label = value }");
            }
            ofEngines.put(engine, read(object, path));
        });
        return new EngineLabels(read(config.getObject("labels"), "labels"), ofEngines);
    }

    private static Map<String, String> read(ConfigObject object, String path) {
        if (object.size() > MOST) {
            throw refuse(object, path, "has " + object.size() + " labels; at most " + MOST);
        }
        Map<String, String> labels = new TreeMap<>();
        object.forEach((name, value) -> {
            String text = isText(value) ? String.valueOf(value.unwrapped()) : "";
            if (!NAME.matcher(name).matches() || !NAME.matcher(text).matches()) {
                throw refuse(
                        value,
                        path + "." + name,
                        "a label is a name and a value of letters, digits and . _ - beginning with a letter or digit,"
                                + " 63 characters at most");
            }
            labels.put(name, text);
        });
        return labels;
    }

    private static boolean isText(ConfigValue value) {
        return value.valueType() == ConfigValueType.STRING || value.valueType() == ConfigValueType.NUMBER;
    }

    private static ConfigException refuse(ConfigValue value, String path, String reason) {
        return new ConfigException.BadValue(value.origin(), "inflight.worker." + path, reason);
    }

    /** The labels of an engine that is attached to this host. */
    Map<String, String> of(Hello hello) {
        Map<String, String> labels = new TreeMap<>(ofHost);
        labels.putAll(ofEngines.getOrDefault(hello.engine(), Map.of()));
        if (hello.tpSize() > 1) {
            labels.put("tp-rank", String.valueOf(hello.tpRank()));
            labels.put("tp-size", String.valueOf(hello.tpSize()));
        }
        return labels;
    }
}
