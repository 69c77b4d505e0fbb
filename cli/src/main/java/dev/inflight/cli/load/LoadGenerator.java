package dev.inflight.cli.load;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.LongFunction;
import org.jspecify.annotations.Nullable;

/**
 * Asks every engine for answers at a steady pace from several clients and compares each with what the version it names
 * must answer. An engine that serves a mixture of versions is found out with the first probe that hits a tensor of the
 * other version.
 */
public final class LoadGenerator implements AutoCloseable {
    private static final Duration CONNECT_TIMEOUT = Duration.ofSeconds(10);

    private final Map<URI, Map<String, LongFunction<String>>> expected;
    private final LoadSettings settings;
    private final HttpClient http = HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .connectTimeout(CONNECT_TIMEOUT)
            .build();
    private final ObjectMapper json = new ObjectMapper();
    private final LoadTally tally = new LoadTally();
    private final CountDownLatch stopping = new CountDownLatch(1);
    private final List<Thread> clients = new ArrayList<>();

    private LoadGenerator(Map<URI, Map<String, LongFunction<String>>> expected, LoadSettings settings) {
        this.expected = Map.copyOf(expected);
        this.settings = settings;
    }

    /**
     * Starts asking.
     *
     * @param engines HTTP addresses of the engines
     * @param expected for every version that may answer, the answer to a seed; called from several threads
     */
    public static LoadGenerator start(
            List<URI> engines, Map<String, LongFunction<String>> expected, LoadSettings settings) {
        Map<URI, Map<String, LongFunction<String>>> same = new LinkedHashMap<>();
        engines.forEach(engine -> same.put(engine, expected));
        return start(same, settings);
    }

    /**
     * Starts asking.
     *
     * @param expected by the engine's HTTP address, for every version that may answer, the answer to a seed; called
     *     from several threads
     */
    public static LoadGenerator start(Map<URI, Map<String, LongFunction<String>>> expected, LoadSettings settings) {
        LoadGenerator generator = new LoadGenerator(expected, settings);
        SplittableRandom random = new SplittableRandom(settings.seed());
        for (URI engine : expected.keySet()) {
            for (int i = 0; i < settings.clientsPerEngine(); i++) {
                SplittableRandom own = random.split();
                generator.clients.add(Thread.ofVirtual()
                        .name("load-" + engine.getPort() + "-" + i)
                        .start(() -> generator.ask(engine, own)));
            }
        }
        return generator;
    }

    /** Tells what happened since the start or the last lap, and goes on. */
    public LoadReport lap() {
        return tally.lap();
    }

    /** Asks nothing more, waits for the requests under way, and tells what happened since the last lap. */
    public LoadReport stop() throws InterruptedException {
        stopping.countDown();
        for (Thread client : clients) {
            client.join();
        }
        return tally.lap();
    }

    /**
     * Breaks off whatever is under way, for the path on which {@link #stop()} was not reached. Afterwards nobody asks
     * for expected answers any more.
     */
    @Override
    public void close() {
        stopping.countDown();
        http.shutdownNow();
        boolean interrupted = false;
        for (Thread client : clients) {
            client.interrupt();
            try {
                client.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private void ask(URI engine, SplittableRandom random) {
        long interval = settings.interval().toNanos();
        long next = System.nanoTime() + random.nextLong(interval);
        try {
            while (!stopping.await(next - System.nanoTime(), TimeUnit.NANOSECONDS)) {
                askOnce(engine, random.nextLong());
                // A slow answer delays the next question; missed ones are not made up for in a burst.
                next = Math.max(next + interval, System.nanoTime());
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void askOnce(URI engine, long seed) throws InterruptedException {
        URI question = engine.resolve("/answer?seed=" + Long.toUnsignedString(seed));
        HttpRequest request = HttpRequest.newBuilder(question)
                .timeout(settings.requestTimeout())
                .build();
        long asked = System.nanoTime();
        try {
            HttpResponse<byte[]> response = http.send(request, HttpResponse.BodyHandlers.ofByteArray());
            if (response.statusCode() != 200) {
                tally.failed(question + " got HTTP " + response.statusCode());
                return;
            }
            long answered = System.nanoTime();
            String problem = check(engine, json.readTree(response.body()), seed);
            tally.answered(engine, asked, answered);
            if (problem != null) {
                tally.mixed(question + " " + problem);
            }
        } catch (IOException e) {
            tally.failed(question + " failed: " + e);
        }
    }

    private @Nullable String check(URI engine, JsonNode answer, long seed) {
        String version = answer.path("version").asText();
        LongFunction<String> answers = expected.getOrDefault(engine, Map.of()).get(version);
        if (answers == null) {
            return "names version \"" + version + "\", which nobody published";
        }
        String digest = answer.path("digest").asText();
        String right = answers.apply(seed);
        return digest.equals(right) ? null : "answers " + digest + " where " + version + " answers " + right;
    }
}
