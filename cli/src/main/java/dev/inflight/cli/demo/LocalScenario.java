package dev.inflight.cli.demo;

import com.fasterxml.jackson.databind.JsonNode;
import dev.inflight.cli.client.CoordinatorClient;
import dev.inflight.cli.client.Operation;
import dev.inflight.cli.client.PublishResult;
import dev.inflight.cli.client.RollbackRequest;
import dev.inflight.cli.client.UpdateRequest;
import dev.inflight.cli.client.UpdateResult;
import dev.inflight.cli.console.ByteSize;
import dev.inflight.cli.console.Progress;
import dev.inflight.cli.doctor.AvailableMemory;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalLong;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.function.Consumer;
import java.util.function.LongFunction;

/**
 * A fleet with two checkpoints, ready to be updated from one to the other: what every local scenario begins with. Used
 * by one thread; closing it stops all processes and removes all files.
 */
public final class LocalScenario implements AutoCloseable {
    public static final String MODEL = "demo";
    public static final String V1 = "v1";
    public static final String V2 = "v2";

    /** Of the CUDA libraries and torch's with them, in a process that uses a GPU. */
    private static final long CUDA_PROCESS_BYTES = 3L << 30;

    /** Heap, code and slots of one process, roughly. */
    private static final long PROCESS_BYTES = 256L << 20;

    private final LocalRun run;
    private final LocalFleet fleet;
    private final CheckpointPair checkpoints;
    private final boolean ownCheckpoints;
    private final String mode;
    private final TensorParallelGroups groups;
    private final Progress progress;

    /** @param ownCheckpoints whether they are closed with the scenario */
    private LocalScenario(
            LocalRun run,
            LocalFleet fleet,
            CheckpointPair checkpoints,
            boolean ownCheckpoints,
            String mode,
            TensorParallelGroups groups,
            Progress progress) {
        this.groups = groups;
        this.run = run;
        this.fleet = fleet;
        this.checkpoints = checkpoints;
        this.ownCheckpoints = ownCheckpoints;
        this.mode = mode;
        this.progress = progress;
    }

    /** What a scenario does with its fleet. */
    @FunctionalInterface
    public interface Body<T> {
        T run(LocalScenario scenario) throws InterruptedException;
    }

    /**
     * Starts a fleet, makes the checkpoints, runs the body and cleans up, whatever happens.
     *
     * @throws ScenarioFailedException if anything went wrong; the logs are kept
     */
    public static <T> T run(ScenarioOptions options, Installation installation, Progress progress, Body<T> body)
            throws InterruptedException {
        return run(options, 0, Map.of(), installation, progress, body);
    }

    /**
     * The same with worker hosts that join later.
     *
     * @param joiners most worker hosts, of one engine each, that the body adds; memory for them is looked for first
     * @param settings of coordinator and worker hosts, over those of the profile
     */
    static <T> T run(
            ScenarioOptions options,
            int joiners,
            Map<String, String> settings,
            Installation installation,
            Progress progress,
            Body<T> body)
            throws InterruptedException {
        requireMemory(options, joiners);
        return run(LocalRun.begin(), run -> start(run, options, settings, installation, progress), body);
    }

    /**
     * The same with checkpoints that are there already, in another run of this process, and stay.
     *
     * @param mode of updates that do not say another one
     */
    public static <T> T run(
            FleetOptions options,
            CheckpointPair checkpoints,
            String mode,
            Installation installation,
            Progress progress,
            Body<T> body)
            throws InterruptedException {
        return run(
                LocalRun.beginAnother(),
                run -> {
                    progress.step(starting(options));
                    LocalFleet fleet = LocalFleet.start(run, installation, options);
                    return new LocalScenario(run, fleet, checkpoints, false, mode, options.groups(), progress);
                },
                body);
    }

    /** How a scenario comes to be. */
    @FunctionalInterface
    private interface Start {
        LocalScenario in(LocalRun run) throws InterruptedException;
    }

    private static <T> T run(LocalRun begun, Start start, Body<T> body) throws InterruptedException {
        try (LocalRun run = begun) {
            try (LocalScenario scenario = start.in(run)) {
                T outcome = body.run(scenario);
                run.succeed();
                return outcome;
            } catch (RuntimeException e) {
                if (run.ended()) {
                    throw new ScenarioFailedException("stopped before the end", e);
                }
                String message = Objects.requireNonNullElse(e.getMessage(), e.toString());
                throw new ScenarioFailedException(
                        message + " (logs: " + run.directory().keepLogs() + ")", e);
            }
        }
    }

    private static LocalScenario start(
            LocalRun run,
            ScenarioOptions options,
            Map<String, String> settings,
            Installation installation,
            Progress progress)
            throws InterruptedException {
        TensorParallelGroups groups = TensorParallelGroups.of(CheckpointPair.tensors(options), options.tp());
        FleetOptions fleetOptions = options.fleet(architecture(run, options), groups, settings);
        String step = "making two checkpoints and " + starting(fleetOptions);
        progress.step(step);
        Future<CheckpointPair> making = run.inBackground(
                "checkpoints",
                () -> CheckpointPair.make(
                        run.directory(), options, (written, total) -> progress.advance(step, written, total)));
        // A torch engine builds its module from the first checkpoint, so that one must be there before it starts.
        if (options.engine() == EngineKind.TORCH) {
            result(making);
        }
        LocalFleet fleet = LocalFleet.start(run, installation, fleetOptions);
        return new LocalScenario(run, fleet, result(making), true, options.mode(), groups, progress);
    }

    private static String starting(FleetOptions options) {
        int hosts = options.workers() / options.device().workersPerHost(options.workers());
        return "starting 1 coordinator, " + hosts + (hosts == 1 ? " worker host, " : " worker hosts, ")
                + options.workers() + " " + options.engine() + (options.workers() == 1 ? " engine" : " engines")
                + (options.device().cuda() ? " on as many GPUs" : "")
                + (options.groups().size() == 1
                        ? ""
                        : " in groups of " + options.groups().size());
    }

    /**
     * Two checkpoints in shared memory, a copy in the store of each host that joins, one or two versions in every
     * engine, and the processes themselves.
     */
    private static void requireMemory(ScenarioOptions options, int joiners) {
        boolean cuda = options.device().cuda();
        int engines = options.workers() + joiners;
        long versions = 2L + joiners + (cuda ? 0 : (long) engines * (options.shadow() ? 2 : 1));
        long needed = versions * options.bytes()
                + processBytes(engines, options.device().hosts(), cuda);
        requireMemory(needed, "a smaller --size or fewer --workers");
    }

    private static long processBytes(int workers, int hosts, boolean cuda) {
        return cuda
                ? PROCESS_BYTES + ((long) hosts + workers) * CUDA_PROCESS_BYTES
                : (1L + 2L * workers) * PROCESS_BYTES;
    }

    /**
     * Refuses to begin what would not fit in this machine's memory.
     *
     * @param versions versions of {@code bytes} in host memory
     */
    public static void requireMemoryForGpuFleet(int versions, long bytes, int workers, int hosts, String advice) {
        requireMemory(versions * bytes + processBytes(workers, hosts, true), advice);
    }

    private static void requireMemory(long needed, String advice) {
        OptionalLong available = AvailableMemory.bytes();
        if (available.isPresent() && available.getAsLong() < needed) {
            throw new ScenarioFailedException("this takes about " + ByteSize.format(needed) + " of memory and "
                    + ByteSize.format(available.getAsLong())
                    + " is available; try " + advice);
        }
    }

    private static Path architecture(LocalRun run, ScenarioOptions options) {
        try {
            return CheckpointPair.firstPath(run.directory(), options);
        } catch (IOException e) {
            throw new ScenarioFailedException("no place for checkpoints: " + e.getMessage(), e);
        }
    }

    public LocalFleet fleet() {
        return fleet;
    }

    public CheckpointPair checkpoints() {
        return checkpoints;
    }

    /** By engine and version the answer to a seed; valid until the checkpoints are closed. */
    public Map<URI, Map<String, LongFunction<String>>> answers() {
        Map<URI, Map<String, LongFunction<String>>> answers = new LinkedHashMap<>();
        List<URI> engines = fleet.engines();
        for (int engine = 0; engine < engines.size(); engine++) {
            answers.put(engines.get(engine), checkpoints.answers(groups.share(engine)));
        }
        return answers;
    }

    /** Publishes one of the two versions. */
    public PublishResult publish(String version) throws InterruptedException {
        String step = "publishing " + version + " (" + ByteSize.format(checkpoints.bytes()) + ")";
        progress.step(step);
        String source = (version.equals(V1) ? checkpoints.first() : checkpoints.second()).toString();
        return requireSucceeded(client().publish(MODEL, version, source, advancing(step)))
                .as(PublishResult.class);
    }

    /** Updates every engine and returns the coordinator's result; {@code seconds} is what this client measured. */
    public TimedUpdate update(String version) throws InterruptedException {
        return update(version, mode, "updating to " + version);
    }

    /** @param step what progress calls it */
    public TimedUpdate update(String version, String mode, String step) throws InterruptedException {
        progress.step(step);
        long begin = System.nanoTime();
        Operation operation =
                client().update(new UpdateRequest(MODEL, version, mode, "broadcast", null), advancing(step));
        double seconds = (System.nanoTime() - begin) / 1e9;
        return new TimedUpdate(requireSucceeded(operation).as(UpdateResult.class), seconds);
    }

    /** Updates every engine, or fails to: the operation as it ended. */
    Operation tryUpdate(UpdateRequest request, String step, Consumer<Operation> watcher) throws InterruptedException {
        progress.step(step);
        Consumer<Operation> advancing = advancing(step);
        return client().update(request, watcher.andThen(advancing));
    }

    /** Compares every engine's live tensors with the manifest: the operation as it ended. */
    Operation tryVerify(String step) throws InterruptedException {
        progress.step(step);
        return client().verify(MODEL, advancing(step));
    }

    /** Takes every engine back to the version before the last update. */
    public TimedUpdate rollback() throws InterruptedException {
        String step = "rolling back";
        progress.step(step);
        long begin = System.nanoTime();
        Operation operation = client().rollback(new RollbackRequest(MODEL, null, mode, null), advancing(step));
        double seconds = (System.nanoTime() - begin) / 1e9;
        return new TimedUpdate(requireSucceeded(operation).as(UpdateResult.class), seconds);
    }

    /** Compares every engine's live tensors with the manifest. */
    public boolean verify() throws InterruptedException {
        String step = "verifying every tensor of every engine";
        progress.step(step);
        Operation operation = client().verify(MODEL, advancing(step));
        JsonNode result = requireSucceeded(operation).result();
        return result != null && result.path("verified").asBoolean(false);
    }

    /** Where logs will be after the end, which would be removed if all went well. */
    public Path keepLogs() {
        return run.directory().keepLogs();
    }

    /** @throws FleetException naming a process that has ended by itself */
    void requireAllAlive() {
        run.requireAllAlive();
    }

    public Progress progress() {
        return progress;
    }

    @Override
    public void close() {
        progress.close();
        fleet.close();
        if (ownCheckpoints) {
            checkpoints.close();
        }
    }

    /** An update's result and its duration in seconds. */
    public record TimedUpdate(UpdateResult result, double seconds) {}

    private Consumer<Operation> advancing(String step) {
        return shown -> progress.advance(step, shown.doneBytes(), shown.totalBytes());
    }

    private CoordinatorClient client() {
        return fleet.client();
    }

    private Operation requireSucceeded(Operation operation) {
        if (!operation.succeeded()) {
            run.requireAllAlive();
            throw new ScenarioFailedException(operation.reason());
        }
        return operation;
    }

    private static CheckpointPair result(Future<CheckpointPair> making) throws InterruptedException {
        try {
            return making.get();
        } catch (ExecutionException e) {
            if (e.getCause() instanceof RuntimeException failure) {
                throw failure;
            }
            throw new ScenarioFailedException("cannot make the checkpoints: " + e.getCause(), e);
        }
    }
}
