package dev.inflight.cli.demo;

import dev.inflight.cli.client.Operation;
import dev.inflight.cli.client.UpdateRequest;
import dev.inflight.cli.client.UpdateResult;
import dev.inflight.cli.client.UpdateResult.DamageFound;
import dev.inflight.cli.demo.CorruptReport.Place;
import dev.inflight.worker.store.CheckpointFiles;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Flips a bit in a slot after its bucket was checked there and before the engine has copied it, which only
 * {@code verify = engine} can find. For that the engine is stopped (SIGSTOP) while it waits for the first bucket of the
 * other host, which the wire holds back, until two buckets have landed: the first was then checked before the second came.
 */
final class SlotDamage {
    private static final long LIMIT_SECONDS = 20;
    private static final long POLL_MILLIS = 2;
    private static final int HEAD_BYTES = 4096;

    private final LocalScenario scenario;
    private final WireProxy wire;
    private final FleetHost host;
    private final CheckpointFiles version;
    private final String mode;
    private final long slotBytes;

    /**
     * @param host whose slots are damaged
     * @param version what engines are updated to, v2
     * @param slotBytes size of a slot
     */
    SlotDamage(
            LocalScenario scenario,
            WireProxy wire,
            FleetHost host,
            CheckpointFiles version,
            String mode,
            long slotBytes) {
        this.scenario = scenario;
        this.wire = wire;
        this.host = host;
        this.version = version;
        this.mode = mode;
        this.slotBytes = slotBytes;
    }

    Place inflict() throws InterruptedException, IOException {
        for (Path ring : rings()) {
            clearHeads(ring);
        }
        CompletableFuture<Boolean> streaming = new CompletableFuture<>();
        UpdateRequest request =
                new UpdateRequest(LocalScenario.MODEL, LocalScenario.V2, mode, "broadcast", null).verified("engine");
        wire.hold();
        try (ExecutorService thread = Executors.newVirtualThreadPerTaskExecutor()) {
            Future<Operation> update = thread.submit(() -> scenario.tryUpdate(
                    request, "updating to v2 with a bad slot", shown -> streaming.complete(shown.running())));
            try {
                // Told half a second after the beginning; by then all engines wait for what the wire holds back.
                if (!get(streaming)) {
                    throw new ScenarioFailedException(
                            "the update ended too early: " + get(update).reason());
                }
                Victim victim = damage();
                long since = System.nanoTime();
                return place(victim, get(update), since);
            } finally {
                wire.release();
            }
        }
    }

    private Victim damage() throws InterruptedException, IOException {
        long engine = scenario.fleet().pid(host.engines().getFirst());
        signal("STOP", engine);
        try {
            wire.release();
            Path ring = awaitTwoLanded();
            Victim victim = Victim.find(version, ring, List.of(new Victim.Range(0, slotBytes))).stream()
                    .findFirst()
                    .orElseThrow(() -> new ScenarioFailedException("nothing of v2 is in the first slot"));
            victim.flip();
            return victim;
        } finally {
            signal("CONT", engine);
        }
    }

    private List<Path> rings() throws IOException {
        return Victim.files(host.process().pid(), "slots");
    }

    private Path awaitTwoLanded() throws InterruptedException, IOException {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(LIMIT_SECONDS);
        while (System.nanoTime() < deadline) {
            for (Path ring : rings()) {
                if (hasHead(ring, 0) && hasHead(ring, slotBytes)) {
                    return ring;
                }
            }
            Thread.sleep(POLL_MILLIS);
        }
        throw new ScenarioFailedException("no two buckets came to the slots of " + host.name());
    }

    /** Between updates nobody uses them; what lands then is told from what was there. */
    private void clearHeads(Path ring) throws IOException {
        try (RandomAccessFile open = new RandomAccessFile(ring.toFile(), "rw")) {
            for (long slot = 0; slot < open.length(); slot += slotBytes) {
                open.seek(slot);
                open.write(new byte[(int) Math.min(HEAD_BYTES, open.length() - slot)]);
            }
        }
    }

    private static boolean hasHead(Path ring, long at) throws IOException {
        try (RandomAccessFile open = new RandomAccessFile(ring.toFile(), "r")) {
            if (at >= open.length()) {
                return false;
            }
            byte[] head = new byte[HEAD_BYTES];
            open.seek(at);
            int read = open.read(head);
            for (int i = 0; i < read; i++) {
                if (head[i] != 0) {
                    return true;
                }
            }
            return false;
        }
    }

    private Place place(Victim victim, Operation ended, long since) {
        double seconds = CorruptScenario.seconds(since);
        String tensor = victim.tensor().name();
        if (ended.succeeded()) {
            Optional<DamageFound> mended = ended.as(UpdateResult.class).damageFound().stream()
                    .filter(found -> found.tensor().equals(tensor))
                    .findFirst();
            return new Place(
                    "slot",
                    mended.isPresent(),
                    "block check where the bucket landed",
                    mended.map(DamageFound::tensor).orElse(null),
                    mended.map(DamageFound::file).orElse(null),
                    mended.map(DamageFound::host).orElse(null),
                    mended.map(DamageFound::mendedFrom).orElse(null),
                    false,
                    seconds);
        }
        String reason = ended.reason();
        boolean named = reason.contains("\"" + tensor + "\"");
        return new Place(
                "slot",
                named,
                "comparison in the engine before it is live (verify = engine)",
                named ? tensor : null,
                reason.contains(victim.fileName()) ? victim.fileName() : null,
                reason.contains(host.name()) ? host.name() : null,
                null,
                true,
                seconds);
    }

    private static void signal(String name, long pid) throws InterruptedException, IOException {
        int exit = new ProcessBuilder("kill", "-" + name, String.valueOf(pid))
                .inheritIO()
                .start()
                .waitFor();
        if (exit != 0) {
            throw new ScenarioFailedException("kill -" + name + " " + pid + " failed");
        }
    }

    private static <T> T get(Future<T> future) throws InterruptedException {
        try {
            return future.get(2 * LIMIT_SECONDS, TimeUnit.SECONDS);
        } catch (ExecutionException e) {
            throw e.getCause() instanceof RuntimeException failure ? failure : new IllegalStateException(e);
        } catch (TimeoutException e) {
            throw new ScenarioFailedException("the update with a bad slot does not end", e);
        }
    }
}
