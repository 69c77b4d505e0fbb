package dev.inflight.tests.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.inflight.cli.client.CoordinatorClient;
import dev.inflight.cli.client.Operation;
import dev.inflight.cli.client.UpdateRequest;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.link.EngineDevice;
import dev.inflight.protocol.link.EngineMessage;
import dev.inflight.protocol.link.EngineMessage.Begun;
import dev.inflight.protocol.link.EngineMessage.Hello;
import dev.inflight.protocol.link.LinkCodec;
import dev.inflight.protocol.link.LinkException;
import dev.inflight.protocol.link.TensorParallel;
import dev.inflight.tests.Eventually;
import dev.inflight.tests.fleet.EngineProcess;
import dev.inflight.tests.fleet.TestCheckpoint;
import java.io.IOException;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.net.StandardProtocolFamily;
import java.net.URI;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Random and damaged requests and frames at a running node. {@code -Dinflight.fuzz.seconds=60} and
 * {@code -Dinflight.fuzz.seed} say how long and which; the seed is printed.
 */
class FuzzIT {
    private static final int SECONDS = Integer.getInteger("inflight.fuzz.seconds", 5);
    private static final Duration PATIENCE = Duration.ofSeconds(90);

    /** Of classes, logs and connections that a node opens in its first minute whatever it is asked. */
    private static final int MORE_DESCRIPTORS = 60;

    private static final List<String> REQUESTS = List.of(
            request("GET", "/healthz", ""),
            request("GET", "/v1/status", ""),
            request("GET", "/v1/openapi.yaml", ""),
            request("GET", "/v1/operations/update-1?waitMs=1", ""),
            request("POST", "/v1/checkpoints", "{\"model\":\"m\",\"version\":\"v7\",\"source\":\"/nowhere\"}"),
            request("POST", "/v1/updates", "{\"model\":\"m\",\"version\":\"v1\",\"mode\":\"shadow\",\"group\":null}"),
            request("POST", "/v1/verifications", "{\"model\":\"n\"}"),
            request("POST", "/v1/rollbacks", "{\"model\":\"n\",\"to\":\"v1\",\"mode\":\"in-place\",\"group\":\"g\"}"),
            request("GET", "/v1/history?model=m&limit=5", ""),
            request("GET", "/metrics", ""),
            request("POST", "/v1/arenas", "{\"bytes\":4096,\"host\":\"nowhere\"}"),
            request("POST", "/v1/arenas/lease-1/give-back", "{}"));

    private static final List<ByteBuffer> FRAMES = List.of(
            encoded(new Hello(
                    LinkCodec.PROTOCOL,
                    "fuzz",
                    1,
                    "m",
                    EngineDevice.HOST,
                    0,
                    1,
                    List.of(),
                    List.of(LoadMode.SHADOW),
                    false,
                    null,
                    null)),
            encoded(new Begun(7)),
            frame("{\"type\":\"loaded\",\"epoch\":1,\"bucket\":-1}"),
            frame("[]"),
            frame("{\"type\":{}}"));

    @TempDir
    private Path directory;

    @Test
    void aNodeOutlivesNonsense() throws Exception {
        survive(SECONDS);
    }

    private void survive(int seconds) throws Exception {
        long seed = Long.getLong("inflight.fuzz.seed", System.nanoTime());
        System.out.println("fuzzing for " + seconds + " s with seed " + seed);
        EngineProcess engine = null;
        try (Nodes nodes = Nodes.start(directory, 2);
                CoordinatorClient client = new CoordinatorClient(URI.create(nodes.http()));
                TestCheckpoint v1 = TestCheckpoint.write(directory.resolve("v1.safetensors"), 1);
                TestCheckpoint v2 = TestCheckpoint.write(directory.resolve("v2.safetensors"), 2)) {
            engine = EngineProcess.start(directory, "engine", "m", Path.of(nodes.link(0)), TensorParallel.NONE);
            Eventually.until("the engine is attached", PATIENCE, () -> engines(client) == 1);
            publishAndUpdate(client, "v1", v1);
            long descriptors = nodes.descriptors();

            long sent = fuzz(
                    nodes, seed, System.nanoTime() + Duration.ofSeconds(seconds).toNanos());
            System.out.println(sent + " requests and connections");
            assertThat(sent).as("requests and connections in %s s", seconds).isGreaterThan(20);

            try (Launched status = nodes.command("status", "--json")) {
                assertThat(status.exitCode())
                        .as("status after seed %s: %s", seed, status.err())
                        .isZero();
            }
            Eventually.until("only the engine is attached after seed " + seed, PATIENCE, () -> engines(client) == 1);
            Eventually.until(
                    "connections are closed after seed " + seed + "; there were " + descriptors + " descriptors",
                    PATIENCE,
                    () -> nodes.descriptors() < descriptors + MORE_DESCRIPTORS);
            publishAndUpdate(client, "v2", v2);
            engine.requireServing("v2", v2.answers());
        } finally {
            if (engine != null) {
                engine.kill();
            }
        }
    }

    /** @return how many requests and connections it were */
    private static long fuzz(Nodes nodes, long seed, long deadline) throws Exception {
        URI http = URI.create(nodes.http());
        List<Path> sockets = List.of(Path.of(nodes.link(0)), Path.of(nodes.link(1)));
        SplittableRandom seeds = new SplittableRandom(seed);
        List<Future<Long>> running = new ArrayList<>();
        try (ExecutorService threads = Executors.newFixedThreadPool(4)) {
            for (int thread = 0; thread < 4; thread++) {
                SplittableRandom random = seeds.split();
                boolean requests = thread < 2;
                running.add(threads.submit(() -> {
                    long sent = 0;
                    for (; System.nanoTime() < deadline; sent++) {
                        if (requests) {
                            request(http, random, seed);
                        } else {
                            frames(sockets.get(random.nextInt(sockets.size())), random);
                        }
                    }
                    return sent;
                }));
            }
        }
        long sent = 0;
        for (Future<Long> thread : running) {
            sent += thread.get();
        }
        return sent;
    }

    private static void request(URI http, SplittableRandom random, long seed) throws IOException {
        byte[] bytes =
                mutated(REQUESTS.get(random.nextInt(REQUESTS.size())).getBytes(StandardCharsets.ISO_8859_1), random);
        try (Socket socket = new Socket(http.getHost(), http.getPort())) {
            socket.setSoTimeout(1000);
            socket.getOutputStream().write(bytes);
            socket.shutdownOutput();
            String answer = new String(socket.getInputStream().readNBytes(12), StandardCharsets.ISO_8859_1);
            assertThat(answer)
                    .as("answer to %s of seed %s", new String(bytes, StandardCharsets.ISO_8859_1), seed)
                    .doesNotContain(" 500");
        } catch (SocketTimeoutException e) {
            // The rest of a request that is longer than what was sent is waited for.
        } catch (SocketException e) {
            // Closed on us, which is an answer.
        }
    }

    private static void frames(Path socket, SplittableRandom random) throws IOException {
        try (SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            channel.connect(UnixDomainSocketAddress.of(socket));
            int frames = random.nextInt(1, 5);
            for (int i = 0; i < frames; i++) {
                ByteBuffer frame = i == 0 && random.nextBoolean()
                        ? FRAMES.getFirst().duplicate()
                        : ByteBuffer.wrap(mutated(bytes(FRAMES.get(random.nextInt(FRAMES.size()))), random));
                while (frame.hasRemaining()) {
                    channel.write(frame);
                }
            }
        } catch (IOException e) {
            // Closed on us.
        }
    }

    /** The same, or with some bytes changed, cut out, put in or repeated; or noise. */
    private static byte[] mutated(byte[] bytes, SplittableRandom random) {
        byte[] result = bytes.clone();
        for (int change = random.nextInt(4); change > 0 && result.length > 0; change--) {
            int at = random.nextInt(result.length);
            int length = Math.min(result.length - at, random.nextInt(1, 16));
            switch (random.nextInt(6)) {
                case 0 -> result[at] = (byte) random.nextInt();
                case 1 -> result[at] ^= (byte) (1 << random.nextInt(8));
                case 2 -> result = Arrays.copyOf(result, at);
                case 3 -> result = spliced(result, at + length, Arrays.copyOf(result, at));
                case 4 -> result = spliced(result, at, Arrays.copyOf(result, at + length));
                default -> {
                    byte[] noise = new byte[random.nextInt(64)];
                    random.nextBytes(noise);
                    result = spliced(result, at, spliced(noise, 0, Arrays.copyOf(result, at)));
                }
            }
        }
        return result;
    }

    /** {@code head} and what {@code tail} has from an index on. */
    private static byte[] spliced(byte[] tail, int from, byte[] head) {
        byte[] all = Arrays.copyOf(head, head.length + tail.length - from);
        System.arraycopy(tail, from, all, head.length, tail.length - from);
        return all;
    }

    /** Some of what was sent may have been right, so that something is under way. */
    private static void publishAndUpdate(CoordinatorClient client, String version, TestCheckpoint checkpoint) {
        Eventually.until(
                "an update to " + version,
                PATIENCE,
                () -> succeeded(client.publish("m", version, checkpoint.file().toString(), progress -> {}))
                        && succeeded(client.update(new UpdateRequest("m", version, null, null, null), progress -> {})));
    }

    private static boolean succeeded(Operation operation) {
        assertThat(operation.running()).isFalse();
        return operation.succeeded();
    }

    private static long engines(CoordinatorClient client) throws InterruptedException {
        long attached = 0;
        for (JsonNode worker : client.status().path("workers")) {
            attached += worker.path("engine").isObject() ? 1 : 0;
        }
        return attached;
    }

    private static String request(String method, String path, String body) {
        return method + " " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
                + "Content-Length: " + body.length() + "\r\n\r\n" + body;
    }

    private static ByteBuffer encoded(EngineMessage message) {
        try {
            return LinkCodec.encode(message);
        } catch (LinkException e) {
            throw new IllegalStateException(e);
        }
    }

    private static ByteBuffer frame(String json) {
        byte[] bytes = json.getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(4 + bytes.length)
                .putInt(bytes.length)
                .put(bytes)
                .flip();
    }

    private static byte[] bytes(ByteBuffer buffer) {
        byte[] bytes = new byte[buffer.remaining()];
        buffer.duplicate().get(bytes);
        return bytes;
    }
}
