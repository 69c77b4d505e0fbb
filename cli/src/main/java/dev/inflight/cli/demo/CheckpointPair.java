package dev.inflight.cli.demo;

import dev.inflight.cli.load.ExpectedAnswers;
import dev.inflight.cli.model.ModelTensor;
import dev.inflight.cli.model.ParallelCheckpoint;
import dev.inflight.cli.model.SizedModel;
import dev.inflight.cli.model.SyntheticCheckpoint;
import dev.inflight.protocol.link.TensorParallel;
import dev.inflight.worker.store.CheckpointFiles;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.LongFunction;

/** Two checkpoints of one model with different bytes, and what engines with either must answer. Thread-safe. */
public final class CheckpointPair implements AutoCloseable {
    private final Path first;
    private final Path second;
    private final CheckpointFiles firstFiles;
    private final CheckpointFiles secondFiles;

    private CheckpointPair(Path first, Path second) {
        this.first = first;
        this.second = second;
        this.firstFiles = CheckpointFiles.open(first);
        this.secondFiles = CheckpointFiles.open(second);
    }

    /** Told how far the making is, on the threads that make. */
    @FunctionalInterface
    public interface Watcher {
        void written(long bytes, long totalBytes);
    }

    /** Where {@link #make} puts the first version. */
    static Path firstPath(RunDirectory run, ScenarioOptions options) throws IOException {
        return run.checkpoints(2 * options.bytes(), options.place()).resolve(LocalScenario.V1);
    }

    /**
     * Makes up both versions, or the first one in the likeness of the given checkpoint.
     *
     * @throws dev.inflight.protocol.checkpoint.CheckpointException if the given checkpoint is none
     */
    static CheckpointPair make(RunDirectory run, ScenarioOptions options, Watcher watcher) throws IOException {
        Path first = firstPath(run, options);
        if (options.source().isPresent()) {
            Path second = options.source().get();
            List<ModelTensor> tensors = tensors(options);
            long total = bytes(tensors);
            SyntheticCheckpoint.write(first, tensors, 1, written -> watcher.written(written, total));
            return new CheckpointPair(first, second);
        }
        Path second = first.resolveSibling(LocalScenario.V2);
        List<ModelTensor> tensors = tensors(options);
        long each = bytes(tensors);
        SyntheticCheckpoint.write(first, tensors, 1, written -> watcher.written(written, 2 * each));
        SyntheticCheckpoint.write(second, tensors, 2, written -> watcher.written(each + written, 2 * each));
        if (options.place() == CheckpointPlace.DISK) {
            settle(first);
            settle(second);
        }
        return new CheckpointPair(first, second);
    }

    /** What both versions consist of, known before they are made. */
    static List<ModelTensor> tensors(ScenarioOptions options) {
        return options.source()
                .map(CheckpointPair::tensorsOf)
                .orElseGet(() -> SizedModel.of(options.bytes()).tensors());
    }

    /** Writes to disk now what the kernel would write behind what comes next. */
    private static void settle(Path checkpoint) throws IOException {
        try (DirectoryStream<Path> files = Files.newDirectoryStream(checkpoint)) {
            for (Path file : files) {
                try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
                    channel.force(true);
                }
            }
        }
    }

    /**
     * Makes up both versions of a model with all cores.
     *
     * @param place the run whose end removes them
     */
    public static CheckpointPair make(LocalRun place, List<ModelTensor> tensors, Watcher watcher)
            throws IOException, InterruptedException {
        long each = bytes(tensors);
        Path directory = place.directory().checkpoints(2 * each, CheckpointPlace.SHM);
        Path first = directory.resolve(LocalScenario.V1);
        Path second = directory.resolve(LocalScenario.V2);
        int threads = Runtime.getRuntime().availableProcessors();
        ParallelCheckpoint.write(first, tensors, 1, threads, written -> watcher.written(written, 2 * each));
        ParallelCheckpoint.write(second, tensors, 2, threads, written -> watcher.written(each + written, 2 * each));
        return new CheckpointPair(first, second);
    }

    /** Makes up a first version in the likeness of a given checkpoint, which is the second. */
    public static CheckpointPair inLikenessOf(LocalRun place, Path second, Watcher watcher)
            throws IOException, InterruptedException {
        List<ModelTensor> tensors = tensorsOf(second);
        long total = bytes(tensors);
        Path first = place.directory().checkpoints(total, CheckpointPlace.SHM).resolve(LocalScenario.V1);
        int threads = Runtime.getRuntime().availableProcessors();
        ParallelCheckpoint.write(first, tensors, 1, threads, written -> watcher.written(written, total));
        return new CheckpointPair(first, second);
    }

    private static long bytes(List<ModelTensor> tensors) {
        return tensors.stream().mapToLong(ModelTensor::bytes).sum();
    }

    /** What a checkpoint consists of. */
    public static List<ModelTensor> tensorsOf(Path checkpoint) {
        try (CheckpointFiles files = CheckpointFiles.open(checkpoint)) {
            return files.layout().tensors().stream()
                    .map(tensor -> new ModelTensor(tensor.name(), tensor.dtype(), tensor.shape()))
                    .toList();
        }
    }

    /** The first version's directory, from which torch engines build their module. */
    public Path first() {
        return first;
    }

    Path second() {
        return second;
    }

    /** Makes every weight of the second version NaN, as a training run does that diverged; before it is published. */
    void spoilSecond() {
        byte[] ones = new byte[1 << 20];
        Arrays.fill(ones, (byte) -1);
        try (DirectoryStream<Path> files = Files.newDirectoryStream(second, "*.safetensors")) {
            for (Path file : files) {
                try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
                    ByteBuffer length = ByteBuffer.allocate(Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
                    channel.read(length, 0);
                    long end = channel.size();
                    for (long at = Long.BYTES + length.getLong(0); at < end; ) {
                        at += channel.write(ByteBuffer.wrap(ones, 0, (int) Math.min(ones.length, end - at)), at);
                    }
                }
            }
        } catch (IOException e) {
            throw new ScenarioFailedException("cannot spoil " + second + ": " + e.getMessage(), e);
        }
    }

    /** Where the second version's bytes are. */
    CheckpointFiles secondFiles() {
        return secondFiles;
    }

    /** Where the first version's bytes are. */
    CheckpointFiles firstFiles() {
        return firstFiles;
    }

    /** Takes both out of the reach of who knows only their paths; the answers stay. */
    void moveAway() {
        try {
            for (Path checkpoint : List.of(first, second)) {
                Files.move(checkpoint, checkpoint.resolveSibling(checkpoint.getFileName() + ".gone"));
            }
        } catch (IOException e) {
            throw new ScenarioFailedException("cannot move a checkpoint away: " + e.getMessage(), e);
        }
    }

    /** Sum of the tensors' bytes, the same for both. */
    public long bytes() {
        return secondFiles.layout().bytes();
    }

    public int tensors() {
        return secondFiles.layout().tensors().size();
    }

    /** For each version an engine's answer to a seed; valid until this pair is closed. */
    Map<String, LongFunction<String>> answers(TensorParallel share) {
        return Map.of(LocalScenario.V1, answers(firstFiles, share), LocalScenario.V2, answers(secondFiles, share));
    }

    @Override
    public void close() {
        firstFiles.close();
        secondFiles.close();
    }

    private static ExpectedAnswers answers(CheckpointFiles files, TensorParallel share) {
        return new ExpectedAnswers(files.layout(), files::map, share);
    }
}
