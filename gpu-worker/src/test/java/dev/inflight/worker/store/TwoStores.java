package dev.inflight.worker.store;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.typed.ActorRef;
import dev.inflight.protocol.checkpoint.LayoutDigest;
import dev.inflight.protocol.cluster.HostStoreCommand;
import dev.inflight.protocol.cluster.HostStoreEvent;
import dev.inflight.protocol.plan.Part;
import dev.inflight.protocol.plan.ShardRange;
import dev.inflight.worker.device.Pinning;
import dev.inflight.worker.device.ShmNames;
import dev.inflight.worker.transport.PartKey;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;

/** The store of a host that holds a checkpoint, and that of a host to which tests bring parts of it. */
final class TwoStores implements AutoCloseable {
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    final HostStore source;
    final HostStore joiner;

    /** As the source has it. */
    final StoredCheckpoint original;

    private final Path shm;
    private final int shards;

    /**
     * @param directory for the checkpoint's file
     * @param sizes of its tensors, in bytes
     * @param nobody told of what is loaded
     */
    TwoStores(Path directory, int shards, int[] sizes, ActorRef<HostStoreEvent> nobody) throws Exception {
        this.shards = shards;
        shm = Files.createTempDirectory(Path.of("/dev/shm"), "inflight-two-stores");
        source = new HostStore("source", new ShmNames(shm, "source"), Pinning.NONE, 2, PATIENCE, PATIENCE);
        joiner = new HostStore("joiner", new ShmNames(shm, "joiner"), Pinning.NONE, 2, PATIENCE, PATIENCE);
        var file = TestCheckpoints.file(directory.resolve("a.safetensors"), "t", sizes);
        original = source.load(load(file, nobody), bytes -> {});
    }

    private HostStoreCommand.Load load(Path file, ActorRef<HostStoreEvent> nobody) {
        try (var files = CheckpointFiles.open(file)) {
            return new HostStoreCommand.Load(
                    "publish",
                    "m",
                    "v1",
                    file.toString(),
                    LayoutDigest.of(files.layout()),
                    shards,
                    1 << 20,
                    List.of(new HostStoreCommand.Holder(
                            "source", "127.0.0.1:1", List.of(new ShardRange(0, shards - 1)))),
                    nobody);
        }
    }

    /** The checkpoint as the joiner knows it while it holds nothing of it. */
    StoredCheckpoint known() {
        var sums = IntStream.range(0, shards).mapToObj(original::sums).toList();
        return new StoredCheckpoint("joiner", original.ref(), original.manifest(), original.sharding(), sums);
    }

    List<Part> parts(int shard) {
        return original.parts(shard).parts();
    }

    PartKey key(Part part) {
        return new PartKey(original.key(), part.shard(), part.offset(), part.bytes());
    }

    MemorySegment bytesOf(Part part) {
        try (var lease = original.lease(part, false)) {
            return Objects.requireNonNull(lease).bytes();
        }
    }

    void bring(Replica replica, Part part) {
        replica.target(part).copyFrom(bytesOf(part));
        replica.landed(part);
    }

    /** Files of both stores in shared memory. */
    long files() throws IOException {
        try (var files = Files.list(shm)) {
            return files.count();
        }
    }

    /** Asserts that nothing is left. */
    @Override
    public void close() throws IOException {
        joiner.close();
        source.close();
        assertThat(files()).as("files in " + shm).isZero();
        Files.delete(shm);
    }
}
