package dev.inflight.engine;

import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.link.EngineShare;
import dev.inflight.protocol.link.SliceRule;
import dev.inflight.protocol.link.TensorParallel;
import dev.inflight.protocol.link.WantRule;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedSet;
import java.util.Set;

/**
 * The engine's command line.
 *
 * @param link the worker's Unix socket
 * @param id the engine's id
 * @param model the model it serves
 * @param modes load modes it offers
 * @param share which tensors it wants, and what it holds of each
 * @param httpPort port on 127.0.0.1; 0 for any free one
 * @param announce file to write once HTTP is up
 * @param pauseTimeoutMs how long a request waits for a paused engine, milliseconds
 * @param drainTimeoutMs how long a pause waits for running requests, milliseconds
 * @param reserveShadow whether to allocate the second parameter set right after the first commit
 * @param warmBytes memory for the first parameters that is allocated and touched at start
 * @param exitWithParent process whose end ends the engine
 */
record EngineFlags(
        Path link,
        String id,
        String model,
        SequencedSet<LoadMode> modes,
        EngineShare share,
        int httpPort,
        Optional<Path> announce,
        long pauseTimeoutMs,
        long drainTimeoutMs,
        boolean reserveShadow,
        long warmBytes,
        Optional<Long> exitWithParent) {

    static final String USAGE = "usage: --link SOCKET --id ID --model NAME [--modes in-place,shadow]"
            + " [--tp-rank 0 --tp-size 1 --slices PATTERN=DIM,...] [--wants PATTERN,!PATTERN,...]"
            + " [--http-port 0] [--announce FILE] [--pause-timeout-ms 60000] [--drain-timeout-ms 30000]"
            + " [--reserve-shadow] [--warm 0] [--exit-with-parent PID]";

    /** The format allows tensors no more dimensions than 64. */
    private static final int MAX_DIM = 63;

    private static final Set<String> KNOWN = Set.of(
            "--link",
            "--id",
            "--model",
            "--modes",
            "--tp-rank",
            "--tp-size",
            "--slices",
            "--wants",
            "--http-port",
            "--announce",
            "--pause-timeout-ms",
            "--drain-timeout-ms",
            "--warm",
            "--exit-with-parent");

    /** Given alone, without a value. */
    private static final Set<String> SWITCHES = Set.of("--reserve-shadow");

    /** A command line that makes no sense; the message is one line. */
    static final class BadFlagException extends Exception {
        BadFlagException(String message) {
            super(message);
        }
    }

    static EngineFlags parse(String... arguments) throws BadFlagException {
        Map<String, String> given = pairs(arguments);
        return new EngineFlags(
                Path.of(required(given, "--link")),
                required(given, "--id"),
                required(given, "--model"),
                modes(given.getOrDefault("--modes", "in-place,shadow")),
                share(given),
                (int) number("--http-port", given.getOrDefault("--http-port", "0"), 65_535),
                Optional.ofNullable(given.get("--announce")).map(Path::of),
                number("--pause-timeout-ms", given.getOrDefault("--pause-timeout-ms", "60000"), Integer.MAX_VALUE),
                number("--drain-timeout-ms", given.getOrDefault("--drain-timeout-ms", "30000"), Integer.MAX_VALUE),
                given.containsKey("--reserve-shadow"),
                number("--warm", given.getOrDefault("--warm", "0"), Long.MAX_VALUE),
                given.containsKey("--exit-with-parent")
                        ? Optional.of(
                                number("--exit-with-parent", required(given, "--exit-with-parent"), Long.MAX_VALUE))
                        : Optional.empty());
    }

    private static Map<String, String> pairs(String... arguments) throws BadFlagException {
        Map<String, String> given = new HashMap<>();
        Iterator<String> words = List.of(arguments).iterator();
        while (words.hasNext()) {
            String flag = words.next();
            if (!KNOWN.contains(flag) && !SWITCHES.contains(flag)) {
                throw new BadFlagException("unknown flag %s; %s".formatted(flag, USAGE));
            }
            if (!SWITCHES.contains(flag) && !words.hasNext()) {
                throw new BadFlagException(flag + " needs a value");
            }
            if (given.put(flag, SWITCHES.contains(flag) ? "" : words.next()) != null) {
                throw new BadFlagException(flag + " is given twice");
            }
        }
        return given;
    }

    private static String required(Map<String, String> given, String flag) throws BadFlagException {
        String value = given.get(flag);
        if (value == null || value.isEmpty()) {
            throw new BadFlagException("%s is missing; %s".formatted(flag, USAGE));
        }
        return value;
    }

    private static SequencedSet<LoadMode> modes(String labels) throws BadFlagException {
        SequencedSet<LoadMode> modes = new LinkedHashSet<>();
        for (String label : labels.split(",", -1)) {
            modes.add(Arrays.stream(LoadMode.values())
                    .filter(mode -> mode.label().equals(label))
                    .findFirst()
                    .orElseThrow(() -> new BadFlagException(
                            "--modes: \"%s\" is no load mode; give in-place, shadow or both".formatted(label))));
        }
        return modes;
    }

    private static EngineShare share(Map<String, String> given) throws BadFlagException {
        return new EngineShare(wants(given.getOrDefault("--wants", "")), parallel(given));
    }

    private static TensorParallel parallel(Map<String, String> given) throws BadFlagException {
        int size = (int) number("--tp-size", given.getOrDefault("--tp-size", "1"), Integer.MAX_VALUE);
        int rank = (int) number("--tp-rank", given.getOrDefault("--tp-rank", "0"), Integer.MAX_VALUE);
        if (rank >= size) {
            throw new BadFlagException("--tp-rank %d is not below --tp-size %d".formatted(rank, size));
        }
        return new TensorParallel(rank, size, rules(given.getOrDefault("--slices", "")));
    }

    /** A pattern that begins with an exclamation mark names what is not wanted. */
    private static List<WantRule> wants(String text) throws BadFlagException {
        List<WantRule> wants = new ArrayList<>();
        for (String rule : text.isEmpty() ? new String[0] : text.split(",", -1)) {
            boolean take = !rule.startsWith("!");
            try {
                wants.add(new WantRule(take ? rule : rule.substring(1), take));
            } catch (IllegalArgumentException e) {
                throw new BadFlagException("--wants: \"%s\": %s".formatted(rule, e.getMessage()));
            }
        }
        if (wants.size() > WantRule.MOST) {
            throw new BadFlagException(
                    "--wants has %d patterns; %d are the most".formatted(wants.size(), WantRule.MOST));
        }
        return wants;
    }

    private static List<SliceRule> rules(String text) throws BadFlagException {
        List<SliceRule> rules = new ArrayList<>();
        for (String rule : text.isEmpty() ? new String[0] : text.split(",", -1)) {
            int equals = rule.lastIndexOf('=');
            if (equals <= 0) {
                throw new BadFlagException(
                        "--slices: \"%s\" is not PATTERN=DIM, like *.q_proj.weight=0".formatted(rule));
            }
            rules.add(new SliceRule(
                    rule.substring(0, equals), (int) number("--slices", rule.substring(equals + 1), MAX_DIM)));
        }
        return rules;
    }

    private static long number(String flag, String value, long max) throws BadFlagException {
        try {
            long number = Long.parseLong(value);
            if (number >= 0 && number <= max) {
                return number;
            }
        } catch (NumberFormatException e) {
            // reported below, like a number out of range
        }
        throw new BadFlagException("%s: \"%s\" is no number from 0 to %d".formatted(flag, value, max));
    }
}
