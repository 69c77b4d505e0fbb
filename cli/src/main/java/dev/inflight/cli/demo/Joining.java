package dev.inflight.cli.demo;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import dev.inflight.cli.client.CoordinatorClient;
import dev.inflight.cli.client.Operation;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * Watches engines that nobody asked to update come to a version: the coordinator joins them by itself. Used by one
 * thread.
 */
final class Joining {
    private static final Duration LIMIT = Duration.ofMinutes(3);
    private static final Duration POLL = Duration.ofMillis(20);
    /** An operation ends a moment after its engine serves. */
    private static final Duration END_LIMIT = Duration.ofSeconds(10);

    private final LocalScenario scenario;
    private final String version;
    private final Map<String, FleetHost.Engine> joiners = new LinkedHashMap<>();
    private final Map<String, Set<String>> operations = new LinkedHashMap<>();
    private final Set<String> over = new HashSet<>();
    private final Map<String, Long> servingNanos = new HashMap<>();
    private Map<String, JsonNode> shown = Map.of();

    /** @param hosts whose engines are up */
    Joining(LocalScenario scenario, List<FleetHost> hosts, String version) {
        this(
                scenario,
                version,
                hosts.stream().flatMap(host -> host.engines().stream()).toList());
    }

    /** @param engines that are up */
    Joining(LocalScenario scenario, String version, List<FleetHost.Engine> engines) {
        this.scenario = scenario;
        this.version = version;
        engines.forEach(engine -> joiners.put(engine.id(), engine));
    }

    /**
     * How it went.
     *
     * @param slowest seconds from an engine's being up to its serving, of the engine that took longest
     * @param together seconds from the first engine's being up to the last one's serving
     * @param operationSeconds how long the slowest join took that ended well, as the coordinator says
     * @param transfer seconds from a joiner's first request for bytes to its last byte, of the one that took longest; 0
     *     if none came
     * @param attempts joins that began; as many as joiners if none had to be tried again
     * @param bytesResent bytes that came more than once or were thrown away
     * @param sources hosts that bytes came from
     * @param bytesCast bytes that hosts cast, once for all that joined at the same time
     * @param castSources hosts that cast
     */
    record Joined(
            double slowest,
            double together,
            double operationSeconds,
            double transfer,
            int attempts,
            long bytesResent,
            List<String> sources,
            long bytesCast,
            List<String> castSources) {}

    /** Returns when a joiner has this share of the bytes. */
    void awaitShare(double share) throws InterruptedException {
        long deadline = System.nanoTime() + LIMIT.toNanos();
        while (true) {
            look();
            for (Set<String> ofOne : operations.values()) {
                for (String id : ofOne) {
                    Operation join = client().operation(id);
                    if (join.totalBytes() > 0 && join.doneBytes() >= share * join.totalBytes() && join.running()) {
                        return;
                    }
                }
            }
            if (servingNanos.size() == joiners.size()) {
                throw new ScenarioFailedException(
                        "the join was over before it was seen to be half-way; try a larger --size");
            }
            pause(deadline);
        }
    }

    /** Returns when the coordinator says of every joiner that it serves the version. */
    Joined awaitServing() throws InterruptedException {
        long deadline = System.nanoTime() + LIMIT.toNanos();
        while (look() < joiners.size()) {
            awaitChange(deadline);
        }
        int attempts = 0;
        long resent = 0;
        double operationSeconds = 0;
        double transfer = 0;
        long cast = 0;
        Set<String> sources = new TreeSet<>();
        Set<String> castSources = new TreeSet<>();
        for (Set<String> ofOne : operations.values()) {
            for (String id : ofOne) {
                JsonNode result = ended(id);
                attempts++;
                if (result.path("outcome").asText().equals("committed")) {
                    operationSeconds =
                            Math.max(operationSeconds, result.path("seconds").asDouble());
                }
                resent += result.path("resentBytes").asLong();
                if (result.path("receivedBytes").asLong() > 0) {
                    transfer = Math.max(
                            transfer, result.at("/stages/transferSeconds").asDouble());
                }
                result.path("sources").forEach(source -> sources.add(source.asText()));
                cast += result.path("castBytes").asLong();
                result.path("castSources").forEach(source -> castSources.add(source.asText()));
            }
        }
        return new Joined(
                slowest(),
                together(),
                operationSeconds,
                transfer,
                attempts,
                resent,
                List.copyOf(sources),
                cast,
                List.copyOf(castSources));
    }

    /** Looks at the fleet once and returns how many joiners serve. */
    private int look() throws InterruptedException {
        JsonNode status = client().status();
        long now = System.nanoTime();
        Map<String, JsonNode> seen = new HashMap<>();
        for (JsonNode worker : status.path("workers")) {
            JsonNode engine = worker.path("engine");
            String id = engine.path("engine").asText();
            if (joiners.containsKey(id)) {
                seen.put(id, engine);
                String operation = engine.at("/join/operation").asText("");
                if (!operation.isEmpty()) {
                    operations.computeIfAbsent(id, any -> new LinkedHashSet<>()).add(operation);
                }
                if (engine.path("state").asText().equals("SERVING")
                        && engine.path("version").asText().equals(version)) {
                    servingNanos.putIfAbsent(id, now);
                }
            }
        }
        shown = seen;
        return servingNanos.size();
    }

    /** Waits for the end of a join, which the coordinator tells by itself: to be asked again and again would slow it. */
    private void awaitChange(long deadline) throws InterruptedException {
        for (Map.Entry<String, Set<String>> joiner : operations.entrySet()) {
            for (String id : joiner.getValue()) {
                if (!servingNanos.containsKey(joiner.getKey()) && !over.contains(id)) {
                    requireTime(deadline);
                    if (!client().operationSoon(id).running()) {
                        over.add(id);
                    }
                    return;
                }
            }
        }
        pause(deadline);
    }

    private void pause(long deadline) throws InterruptedException {
        requireTime(deadline);
        Thread.sleep(POLL);
    }

    private void requireTime(long deadline) {
        scenario.requireAllAlive();
        if (System.nanoTime() > deadline) {
            throw new ScenarioFailedException(
                    "after " + LIMIT.toSeconds() + " s not everybody serves " + version + ": " + missing());
        }
    }

    private List<String> missing() {
        List<String> missing = new ArrayList<>();
        for (String engine : joiners.keySet()) {
            JsonNode seen = shown.get(engine);
            if (!servingNanos.containsKey(engine)) {
                missing.add(engine + (seen == null ? " is not attached" : " is " + seen));
            }
        }
        return missing;
    }

    /** Result of a join; missing of one that failed early. */
    private JsonNode ended(String id) throws InterruptedException {
        long deadline = System.nanoTime() + END_LIMIT.toNanos();
        Operation join = client().operation(id);
        while (join.running()) {
            if (System.nanoTime() > deadline) {
                throw new ScenarioFailedException(
                        "join " + id + " is still " + join.phase() + " although its engine serves");
            }
            Thread.sleep(POLL);
            join = client().operation(id);
        }
        return join.result() == null ? MissingNode.getInstance() : join.result();
    }

    private double slowest() {
        return joiners.entrySet().stream()
                .mapToDouble(joiner -> seconds(joiner.getValue().upNanos(), serving(joiner.getKey())))
                .max()
                .orElse(0);
    }

    private double together() {
        long first = joiners.values().stream()
                .mapToLong(FleetHost.Engine::upNanos)
                .reduce((a, b) -> a - b < 0 ? a : b)
                .orElse(0);
        return joiners.keySet().stream()
                .mapToDouble(engine -> seconds(first, serving(engine)))
                .max()
                .orElse(0);
    }

    private long serving(String engine) {
        Long nanos = servingNanos.get(engine);
        if (nanos == null) {
            throw new IllegalStateException(engine + " does not serve");
        }
        return nanos;
    }

    private static double seconds(long begin, long end) {
        return (end - begin) / 1e9;
    }

    private CoordinatorClient client() {
        return scenario.fleet().client();
    }
}
