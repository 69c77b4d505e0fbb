package dev.inflight.worker.update;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import com.typesafe.config.ConfigFactory;
import dev.inflight.protocol.checkpoint.Dtype;
import dev.inflight.protocol.checkpoint.SafetensorsWriter;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.Exchange;
import dev.inflight.protocol.cluster.HostStoreCommand;
import dev.inflight.protocol.cluster.HostStoreEvent;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.cluster.Strategy;
import dev.inflight.protocol.cluster.WorkerCommand;
import dev.inflight.protocol.cluster.WorkerEvent;
import dev.inflight.protocol.plan.Membership;
import dev.inflight.protocol.plan.ShardRange;
import dev.inflight.protocol.plan.Slice;
import dev.inflight.protocol.plan.Slots;
import dev.inflight.worker.verify.EngineVerifier;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Two hosts on different machines, each with one rank of a tensor-parallel group of two and half of the shards. */
class TensorParallelTest {
    private static final long MIB = 1 << 20;
    private static final String SLICES = "*.o_proj.weight=1,*.experts=1,*_proj.weight=0,*embed*=0";
    private static final ActorTestKit KIT = ActorTestKit.create(
            ConfigFactory.parseString("akka.actor.provider = local, akka.fail-mixed-versions = off"));

    @TempDir
    Path directory;

    private final List<TestHost> hosts = new ArrayList<>();

    /** What the next checkpoint's bytes differ in from those of its seed. */
    private @Nullable Difference differing;

    private record Difference(String tensor, long at) {}

    @BeforeEach
    void start() throws Exception {
        for (int rank = 0; rank < 2; rank++) {
            var flags = List.of("--tp-rank", String.valueOf(rank), "--tp-size", "2", "--slices", SLICES);
            hosts.add(TestHost.in(directory).engineFlags(flags).start("tp" + rank, "machine-" + rank));
        }
    }

    @AfterEach
    void stop() throws Exception {
        for (var host : hosts) {
            host.close();
        }
    }

    @AfterAll
    static void stopActors() {
        KIT.shutdownTestKit();
    }

    @ParameterizedTest
    @EnumSource(LoadMode.class)
    void bothRanksEndWithExactlyTheirSlices(LoadMode mode) throws Exception {
        var first = publish("v1", 1, 1024);
        var second = publish("v2", 2, 1024);
        update(1, first, mode);
        assertThat(verify(first)).allMatch(verified -> verified.mismatches() == 0);
        assertThat(verify(second)).allMatch(verified -> verified.mismatches() == first.tensors() - 1);
        update(2, second, mode);
        assertThat(verify(second)).allMatch(verified -> verified.mismatches() == 0);
        assertThat(verify(second)).allMatch(verified -> verified.tensors() == second.tensors());
    }

    @Test
    void oneByteThatDiffersInASliceIsFoundAndNamedOnItsRankAlone() throws Exception {
        update(1, publish("v1", 1, 1024), LoadMode.IN_PLACE);
        // In the second half of a row, so rank 1's, and in a block that is not the tensor's first.
        differing = new Difference("model.layers.1.o_proj.weight", 2 * MIB + 2047);
        var verified = verify(publish("v1-differing", 1, 1024));
        assertThat(verified.get(0).mismatched()).isEmpty();
        assertThat(verified.get(1).mismatched()).containsExactly("model.layers.1.o_proj.weight");
        assertThat(verified.get(1).mismatches()).isEqualTo(1);
    }

    @Test
    void aHostStoreThatIsNoLongerWhatWasPublishedIsNoMeasure() throws Exception {
        var target = publish("v1", 1, 1024);
        update(1, target, LoadMode.IN_PLACE);
        flip(target, "model.layers.1.o_proj.weight", 2 * MIB + 2047);
        for (var host : hosts) {
            assertThat(verify(host, target).error())
                    .contains(
                            "tensor \"model.layers.1.o_proj.weight\": block at byte 2097152 is not what was published");
        }
    }

    @Test
    void whatCanNotBeCutIsRefusedBeforeAnEngineIsTouched() throws Exception {
        update(1, publish("v1", 1, 1024), LoadMode.IN_PLACE);
        var odd = publish("v2", 2, 1023);
        for (var session : sessions(2, odd, LoadMode.IN_PLACE)) {
            assertThatThrownBy(session::prepare)
                    .isInstanceOf(UpdateException.class)
                    .hasMessageContainingAll("engine engine-tp", "_proj.weight\" of shape [1023, ", "tpSize 2");
            assertThat(session.abort("refused")).isEqualTo(new UpdateSession.AbortOutcome.Untouched());
        }
    }

    private CheckpointRef publish(String version, long seed, long rows) throws Exception {
        var random = new Random(seed);
        var tensors = new ArrayList<SafetensorsWriter.Tensor>();
        for (int layer = 0; layer < 3; layer++) {
            var prefix = "model.layers." + layer + ".";
            // Larger than a slot, and rows that a block's end cuts.
            tensors.add(tensor(prefix + "o_proj.weight", Dtype.BF16, random, 1500, 1024));
            tensors.add(tensor(prefix + "q_proj.weight", Dtype.BF16, random, rows, 300));
            tensors.add(tensor(prefix + "experts", Dtype.F8_E4M3, random, 5, 6, 77));
            tensors.add(tensor(prefix + "norm.weight", Dtype.F32, random, 33));
        }
        tensors.add(tensor("model.embed_tokens.weight", Dtype.BF16, random, 3000, 500));
        tensors.add(tensor("model.empty_proj.weight", Dtype.F32, random, 0, 4));
        var file = directory.resolve(version + ".safetensors");
        SafetensorsWriter.write(file, Map.of(), tensors);
        var holders = IntStream.range(0, hosts.size())
                .mapToObj(i -> hosts.get(i).holder(i, i))
                .toList();
        return together(host -> load(host, version, file, holders)).getFirst();
    }

    private CheckpointRef load(TestHost host, String version, Path file, List<HostStoreCommand.Holder> holders)
            throws InterruptedException {
        var nobody = KIT.<HostStoreEvent>createTestProbe().getRef();
        return host.load(version, file, hosts.size(), holders, nobody).ref();
    }

    private SafetensorsWriter.Tensor tensor(String name, Dtype dtype, Random random, long... shape) {
        var extents = Arrays.stream(shape).boxed().toList();
        long elements = extents.stream().reduce(1L, (a, b) -> a * b);
        var bytes = new byte[Math.toIntExact(elements * dtype.bits() / 8)];
        random.nextBytes(bytes);
        if (differing != null && differing.tensor().equals(name)) {
            bytes[(int) differing.at()] ^= 1;
        }
        return SafetensorsWriter.Tensor.of(name, dtype, extents, bytes);
    }

    private void flip(CheckpointRef target, String name, long at) throws Exception {
        for (var host : hosts) {
            var checkpoint = host.store.adopt(target, List.of());
            int tensor = IntStream.range(0, checkpoint.layout().tensors().size())
                    .filter(i -> checkpoint.layout().tensors().get(i).name().equals(name))
                    .findFirst()
                    .orElseThrow();
            try {
                var bytes = checkpoint.bytes(new Slice(tensor, at, at + 1));
                var type = ValueLayout.JAVA_BYTE;
                bytes.set(type, 0, (byte) (bytes.get(type, 0) ^ 1));
            } catch (IllegalStateException e) {
                assertThat(e).hasMessageContaining("does not hold");
            }
        }
    }

    private List<UpdateSession> sessions(long epoch, CheckpointRef target, LoadMode mode) {
        var order = new WorkerCommand.Prepare(
                epoch,
                "update-" + epoch,
                target,
                mode,
                Strategy.BROADCAST,
                membership(),
                new Slots(3, 2 * MIB, "test"),
                Exchange.TRANSFERS,
                TestHost.PATIENCE.toMillis(),
                KIT.<WorkerEvent>createTestProbe().getRef());
        return hosts.stream()
                .map(host -> new UpdateSession(host.context, order, host.engine, bytes -> {}))
                .toList();
    }

    private void update(long epoch, CheckpointRef target, LoadMode mode) throws Exception {
        var sessions = sessions(epoch, target, mode);
        step(sessions, UpdateSession::prepare);
        step(sessions, session -> {
            session.begin();
            return true;
        });
        step(sessions, UpdateSession::stream);
        step(sessions, UpdateSession::commit);
        sessions.forEach(UpdateSession::close);
    }

    private List<WorkerEvent.Verified> verify(CheckpointRef expected) throws Exception {
        var verified = together(host -> verify(host, expected));
        assertThat(verified).allMatch(one -> one.error() == null);
        return verified;
    }

    private WorkerEvent.Verified verify(TestHost host, CheckpointRef expected) {
        var status = new EngineStatus(
                "e", "m", 1, List.of(), false, EngineStatus.State.SERVING, expected.version(), null, null);
        var order = new WorkerCommand.Verify(
                "verify",
                expected,
                membership(),
                KIT.<WorkerEvent>createTestProbe().getRef());
        return (WorkerEvent.Verified) new EngineVerifier(host.context, host.engine, status).verify(order);
    }

    private Membership membership() {
        var members = new ArrayList<Membership.Host>();
        var workers = new ArrayList<Membership.Worker>();
        for (int i = 0; i < hosts.size(); i++) {
            var host = hosts.get(i);
            members.add(new Membership.Host(host.name, host.server.endpoint(), List.of(new ShardRange(i, i))));
            workers.add(new Membership.Worker(host.worker(), i, true));
        }
        return new Membership(members, workers);
    }

    private interface Task<A, B> {
        B run(A argument) throws Exception;
    }

    private <B> List<B> together(Task<TestHost, B> task) throws Exception {
        return step(hosts, task);
    }

    /** Does something on all hosts at the same time, as the hosts of a cluster do. */
    private static <A, B> List<B> step(List<A> arguments, Task<A, B> task) throws Exception {
        try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            var running = arguments.stream()
                    .map(argument -> threads.submit((Callable<B>) () -> task.run(argument)))
                    .toList();
            var results = new ArrayList<B>();
            for (var one : running) {
                results.add(one.get());
            }
            return results;
        } catch (ExecutionException e) {
            throw e.getCause() instanceof Exception cause ? cause : e;
        }
    }
}
