package dev.inflight.cli.demo;

import static dev.inflight.cli.console.Rounding.measured;

import com.fasterxml.jackson.databind.JsonNode;
import dev.inflight.cli.client.Operation;
import dev.inflight.cli.client.UpdateRequest;
import dev.inflight.cli.client.UpdateResult;
import dev.inflight.cli.client.UpdateResult.DamageFound;
import dev.inflight.cli.console.Progress;
import dev.inflight.cli.demo.CorruptReport.Place;
import dev.inflight.cli.load.LoadGenerator;
import dev.inflight.cli.load.LoadReport;
import dev.inflight.cli.load.LoadSettings;
import dev.inflight.worker.store.CheckpointFiles;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ThreadLocalRandom;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Bits are flipped in five places while clients keep asking the engines: in a host's store, on the wire between two hosts,
 * in a slot that an engine is about to read, in the checkpoint's file, and at last in an engine's live weights. Each must
 * be found and named. Nothing but the operating system is used to flip them: shared-memory files and a process's memory
 * are written to, and TCP connections are led through a proxy.
 *
 * <p>Clients stop before the last flip. Memory that goes bad under a serving engine is not the product's doing, and it is
 * found by a verification that somebody asks for.
 */
public final class CorruptScenario {
    public static final String NAME = "corrupt";

    private static final int MOST_TRIES = 20;
    private static final long RETRY_MILLIS = 100;

    private final ScenarioOptions options;
    private final LocalScenario scenario;
    private final WireProxy wire;
    private final FleetHost first;
    private final CheckpointFiles v1;
    private final CheckpointFiles v2;
    private final List<Place> places = new ArrayList<>();

    private CorruptScenario(ScenarioOptions options, LocalScenario scenario, WireProxy wire) {
        this.options = options;
        this.scenario = scenario;
        this.wire = wire;
        this.first = scenario.fleet().hosts().getFirst();
        this.v1 = scenario.checkpoints().firstFiles();
        this.v2 = scenario.checkpoints().secondFiles();
    }

    /**
     * @param options with at least 2 workers, on the host, with a made-up checkpoint
     * @throws ScenarioFailedException if the scenario did not get to its end
     */
    public static ScenarioOutcome<CorruptReport> run(
            ScenarioOptions options, Installation installation, Progress progress) throws InterruptedException {
        if (options.workers() < 2 || options.device().cuda() || options.source().isPresent()) {
            throw new IllegalArgumentException("takes at least 2 workers in host memory and a made-up checkpoint");
        }
        // Taken in place, files would be the memory that the hosts hold; sharing memory, hosts would need no wire.
        ScenarioOptions onDisk = options.withPlace(CheckpointPlace.DISK);
        Map<String, String> settings = Map.of("inflight.worker.peer.map-shared-memory", "off");
        return LocalScenario.run(
                onDisk.withWorkers(options.workers() - 1),
                1,
                settings,
                installation,
                progress,
                scenario -> withWire(onDisk, scenario));
    }

    private static ScenarioOutcome<CorruptReport> withWire(ScenarioOptions options, LocalScenario scenario)
            throws InterruptedException {
        int port = FreePort.choose();
        try (WireProxy wire = new WireProxy(port)) {
            Map<String, String> reached = Map.of(
                    "inflight.worker.peer.port", String.valueOf(port),
                    "inflight.worker.peer.advertised", wire.endpoint());
            scenario.progress().step("starting one more worker host behind a proxy");
            scenario.fleet().addHosts(1, reached, 0);
            scenario.fleet().awaitAll();
            return new CorruptScenario(options, scenario, wire).underLoad();
        } catch (IOException e) {
            throw new UncheckedIOException("a bit can not be flipped: " + e.getMessage(), e);
        }
    }

    private ScenarioOutcome<CorruptReport> underLoad() throws InterruptedException, IOException {
        scenario.publish(LocalScenario.V1);
        scenario.update(LocalScenario.V1);
        scenario.publish(LocalScenario.V2);
        LoadReport load;
        try (LoadGenerator clients = LoadGenerator.start(
                scenario.answers(),
                LoadSettings.steady(ThreadLocalRandom.current().nextLong()))) {
            long slotBytes = store();
            wire();
            places.add(new SlotDamage(scenario, wire, first, v2, options.mode(), slotBytes).inflict());
            file();
            load = clients.stop();
        }
        live();
        scenario.update(LocalScenario.V1);
        return new ScenarioOutcome<>(report(load, scenario.verify()), load.firstProblem());
    }

    /** @return size of the slots of the update */
    private long store() throws InterruptedException, IOException {
        Victim victim = inStoreOfFirst(v2);
        victim.flip();
        long since = System.nanoTime();
        UpdateResult result = scenario.update(LocalScenario.V2, options.mode(), "updating to v2 with a bad host store")
                .result();
        mended("store", "block check before an engine reads", victim.tensor().name(), victim.fileName(), result, since);
        return result.slots() == null ? 0 : result.slots().bytes();
    }

    private void wire() throws InterruptedException {
        wire.flipOnce();
        long since = System.nanoTime();
        UpdateResult result = scenario.update(LocalScenario.V1, options.mode(), "updating to v1 over a bad wire")
                .result();
        if (!wire.hasFlipped()) {
            throw new ScenarioFailedException("no weights came over the wire");
        }
        // Which tensor was hit only the receiver knows: it must be one of the checkpoint, in its file.
        String tensor = result.damageFound().stream()
                .filter(found -> found.place().equals("wire") && isIn(v1, found))
                .map(DamageFound::tensor)
                .findFirst()
                .orElse("");
        String file =
                result.damageFound().stream().map(DamageFound::file).findFirst().orElse("");
        mended("wire", "checksum of the chunk", tensor, file, result, since);
    }

    private static boolean isIn(CheckpointFiles files, DamageFound found) {
        return files.layout().tensors().stream()
                .anyMatch(tensor -> tensor.name().equals(found.tensor())
                        && files.layout().files().get(tensor.file()).name().equals(found.file()));
    }

    private void mended(String place, String by, String tensor, String file, UpdateResult result, long since) {
        Optional<DamageFound> told = result.damageFound().stream()
                .filter(found -> found.place().equals(place) && found.tensor().equals(tensor))
                .findFirst();
        places.add(new Place(
                place,
                told.isPresent(),
                by,
                told.map(DamageFound::tensor).orElse(null),
                told.map(DamageFound::file).filter(file::equals).orElse(null),
                told.map(DamageFound::host).filter(first.name()::equals).orElse(null),
                told.map(DamageFound::mendedFrom).orElse(null),
                false,
                seconds(since)));
    }

    /** The store is damaged like the file it would be mended from; then the shard must be read from that file again. */
    private void file() throws InterruptedException, IOException {
        Victim inStore = inStoreOfFirst(v2);
        Victim inFile = inStore.inItsFile(v2);
        inFile.flip();
        inStore.flip();
        long since = System.nanoTime();
        String unmended = refused("updating to v2 with a bad store and a bad file");
        String unread = "";
        // The coordinator hears of the given up shard in a message of its own.
        String source = scenario.checkpoints().second() + ": ";
        for (int tries = 0; !isFile(unread, source) && tries < MOST_TRIES; tries++) {
            Thread.sleep(tries == 0 ? 0 : RETRY_MILLIS);
            unread = refused("updating to v2 with a bad file");
        }
        double seconds = seconds(since);
        inFile.flip();
        String tensor = "\"" + inFile.tensor().name() + "\"";
        boolean found = unmended.contains(tensor) && unread.contains(tensor);
        String last = unread;
        places.add(new Place(
                "file",
                found,
                "comparison with the published digests when it is read again",
                found ? inFile.tensor().name() : null,
                unread.contains(inFile.fileName()) ? inFile.fileName() : null,
                scenario.fleet().hosts().stream()
                        .map(FleetHost::name)
                        .filter(last::contains)
                        .findFirst()
                        .orElse(null),
                null,
                true,
                seconds));
        scenario.update(LocalScenario.V2, options.mode(), "updating to v2 with the file as it was");
    }

    private static boolean isFile(String reason, String source) {
        return reason.contains(source) && !reason.contains("can not be mended");
    }

    private String refused(String step) throws InterruptedException {
        Operation ended = scenario.tryUpdate(
                new UpdateRequest(LocalScenario.MODEL, LocalScenario.V2, options.mode(), "broadcast", null),
                step,
                shown -> {});
        if (ended.succeeded()) {
            throw new ScenarioFailedException("an update succeeded with a file that is not what was published");
        }
        return ended.reason();
    }

    private void live() throws InterruptedException, IOException {
        long pid = scenario.fleet().pid(first.engines().getFirst());
        List<Victim> inMemory = Victim.find(v2, Victim.memory(pid), Victim.privateMemory(pid));
        if (inMemory.isEmpty()) {
            throw new ScenarioFailedException("v2 was not found in the memory of process " + pid);
        }
        Victim victim = inMemory.getFirst();
        // A copy may be left over from loading: which one is live only the engine knows.
        for (Victim copy : inMemory.stream().filter(victim::isSameBlock).toList()) {
            copy.flip();
        }
        long since = System.nanoTime();
        Operation verification = scenario.tryVerify("verifying an engine with a bad byte");
        JsonNode result = verification.result();
        Optional<JsonNode> differing = result == null
                ? Optional.empty()
                : result.path("engines")
                        .valueStream()
                        .filter(engine -> engine.path("mismatches").asLong() > 0)
                        .findFirst();
        String name = victim.tensor().name();
        places.add(new Place(
                "live",
                differing.isPresent(),
                "inflight verify",
                differing
                        .filter(engine -> engine.path("mismatched")
                                .valueStream()
                                .anyMatch(t -> t.asText().equals(name)))
                        .map(engine -> name)
                        .orElse(null),
                differing
                        .filter(engine -> engine.path("files")
                                .valueStream()
                                .anyMatch(f -> f.asText().equals(victim.fileName())))
                        .map(engine -> victim.fileName())
                        .orElse(null),
                differing
                        .filter(engine -> engine.path("worker").asText().startsWith(first.name() + "/"))
                        .map(engine -> first.name())
                        .orElse(null),
                null,
                false,
                seconds(since)));
    }

    private Victim inStoreOfFirst(CheckpointFiles version) throws IOException {
        for (Path arena : Victim.files(first.process().pid(), "arena")) {
            List<Victim> found = Victim.find(version, arena, Victim.all(arena));
            if (!found.isEmpty()) {
                return found.getFirst();
            }
        }
        throw new ScenarioFailedException(first.name() + " holds no tensor of the version in its store");
    }

    static double seconds(long sinceNanos) {
        return measured((System.nanoTime() - sinceNanos) / 1e9);
    }

    private CorruptReport report(LoadReport load, boolean verified) {
        boolean all = places.stream().allMatch(Place::shown);
        @Nullable
        String missing = Stream.of("store", "wire", "slot", "file", "live")
                .filter(name -> places.stream().noneMatch(place -> place.place().equals(name) && place.shown()))
                .findFirst()
                .orElse(null);
        return new CorruptReport(
                NAME,
                options.engine().toString(),
                options.mode(),
                options.workers(),
                scenario.checkpoints().bytes(),
                scenario.checkpoints().tensors(),
                all && missing == null ? "detected" : "missed " + missing,
                places.stream()
                        .map(place -> place.place() + ": " + place.detectedBy())
                        .toList(),
                List.copyOf(places),
                DemoReport.Requests.NONE.plus(load),
                verified);
    }
}
