package dev.inflight.cli.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.typed.ActorRef;
import akka.serialization.Serialization;
import akka.serialization.SerializationExtension;
import akka.serialization.jackson.JacksonCborSerializer;
import akka.serialization.jackson.JacksonObjectMapperProvider;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.typesafe.config.ConfigFactory;
import dev.inflight.protocol.cluster.BandwidthLimit;
import dev.inflight.protocol.cluster.Canary;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.Damage;
import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.Exchange;
import dev.inflight.protocol.cluster.HostStoreCommand;
import dev.inflight.protocol.cluster.HostStoreEvent;
import dev.inflight.protocol.cluster.LeaseReply;
import dev.inflight.protocol.cluster.LeaseReply.Lease.State;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.protocol.cluster.Origin;
import dev.inflight.protocol.cluster.Standby;
import dev.inflight.protocol.cluster.Strategy;
import dev.inflight.protocol.cluster.Taken;
import dev.inflight.protocol.cluster.TrainerCommand;
import dev.inflight.protocol.cluster.VerifyPoint;
import dev.inflight.protocol.cluster.Wire;
import dev.inflight.protocol.cluster.WorkerCommand;
import dev.inflight.protocol.cluster.WorkerEvent;
import dev.inflight.protocol.plan.Membership;
import dev.inflight.protocol.plan.Place;
import dev.inflight.protocol.plan.ShardRange;
import dev.inflight.protocol.plan.Slots;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class WireSerializationTest {
    private static final Damage DAMAGE =
            new Damage(Damage.Place.STORE, "host-0", "model.safetensors", "lm_head.weight", 1 << 20, "host host-1");
    private static final Taken TAKEN = new Taken(8, 9, List.of("host-0", "host-1"), 5, List.of("host-1"));
    private static final CheckpointRef CHECKPOINT =
            new CheckpointRef("m", "v2", "ab".repeat(32), "/models/m", 4, 1 << 20, 272, 1L << 40, 1L << 33);
    private static final List<ShardRange> SHARDS = List.of(new ShardRange(0, 1), new ShardRange(3, 3));
    private static final Place PLACE = new Place("boot-1", "rack-7", "zone-a");
    private static final Membership MEMBERSHIP = new Membership(
            List.of(
                    new Membership.Host("host-0", "10.0.0.1:7000", SHARDS),
                    new Membership.Host("host-1", "10.0.0.2:7000", List.of(), PLACE, SHARDS, 3)),
            List.of(new Membership.Worker("host-0/0", 0, true), new Membership.Worker("host-0/1", 0, false)));
    private static final EngineStatus ENGINE = new EngineStatus(
            "engine-0",
            "m",
            4711,
            List.of(LoadMode.SHADOW, LoadMode.IN_PLACE),
            true,
            EngineStatus.State.UPDATING,
            "v1",
            "v2",
            null,
            new Standby("v0", "cd".repeat(32)));
    private static final EngineStatus EMPTY_ENGINE = new EngineStatus(
            "engine-0", "m", 1, List.of(), false, EngineStatus.State.PENDING_WEIGHTS, null, null, "lost its worker");

    private ActorTestKit kit;
    private Serialization serialization;

    @BeforeAll
    void start() {
        kit = ActorTestKit.create("wire", ConfigFactory.parseString("""
                akka.actor.provider = local
                akka.loglevel = WARNING
                akka.coordinated-shutdown.exit-jvm = off
                """).withFallback(ConfigFactory.load()));
        serialization = SerializationExtension.get(kit.system());
    }

    @AfterAll
    void stop() {
        kit.shutdownTestKit();
    }

    @ParameterizedTest
    @MethodSource("messages")
    void everyMessageSurvivesCbor(Wire message) throws Exception {
        assertThat(serialization.findSerializerFor(message)).isInstanceOf(JacksonCborSerializer.class);
        byte[] bytes = serialization.serialize(message).get();

        assertThat(serialization.deserialize(bytes, message.getClass()).get()).isEqualTo(message);
    }

    /** Worker hosts are upgraded before the coordinator, and both go on understanding each other. */
    @Test
    void aReportHasItsFieldsWhereTheyWereAndMayLackThoseOfCasts() throws Exception {
        ObjectMapper cbor = JacksonObjectMapperProvider.get(kit.system()).getOrCreate("jackson-cbor", Optional.empty());
        WorkerEvent.StageReport report = new WorkerEvent.StageReport(1, 2, 3, 4, 5, 6, 7, TAKEN, 10, List.of(DAMAGE));
        ObjectNode tree = (ObjectNode) cbor.readTree(cbor.writeValueAsBytes(report));

        assertThat(tree.fieldNames())
                .toIterable()
                .contains("loadedBytes", "receivedBytes", "resentBytes", "sources", "damage")
                .doesNotContain("taken");
        tree.remove(List.of("castBytes", "castSources"));
        tree.put("ofALaterVersion", 1);
        WorkerEvent.StageReport read = cbor.readValue(cbor.writeValueAsBytes(tree), WorkerEvent.StageReport.class);
        assertThat(read.taken()).isEqualTo(new Taken(8, 9, List.of("host-0", "host-1")));
        assertThat(read.damage()).containsExactly(DAMAGE);
    }

    @Test
    void everyKindOfMessageIsTested() {
        Set<Class<?>> tested = messages().map(Object::getClass).collect(Collectors.toSet());
        Set<Class<?>> all = Stream.of(
                        HostStoreCommand.class,
                        HostStoreEvent.class,
                        LeaseReply.class,
                        OperationReply.class,
                        TrainerCommand.class,
                        WorkerCommand.class,
                        WorkerEvent.class)
                .flatMap(kind -> Arrays.stream(kind.getPermittedSubclasses()))
                .collect(Collectors.toSet());

        assertThat(tested).isEqualTo(all);
    }

    Stream<Wire> messages() {
        return Stream.of(hostStoreMessages(), workerCommands(), workerEvents(), trainerMessages())
                .flatMap(messages -> messages);
    }

    private Stream<Wire> hostStoreMessages() {
        ActorRef<HostStoreEvent> replyTo = kit.<HostStoreEvent>createTestProbe().ref();
        ActorRef<LeaseReply> asker = kit.<LeaseReply>createTestProbe().ref();
        String lease = "host-0-0123456789ab";
        return Stream.of(
                new HostStoreCommand.Lend("host-0", null, 1L << 41, asker),
                new HostStoreCommand.Lend(null, "boot-1/nonce", 1, asker),
                new HostStoreCommand.GetLease(lease, asker),
                new HostStoreCommand.GiveBack(lease, asker),
                new LeaseReply.Lease(lease, "host-0", State.READY, "/dev/shm/a", 1L << 41, 600_000, null),
                new LeaseReply.Lease(lease, "host-0", State.FAILED, null, 1, 600_000, "no memory"),
                new HostStoreCommand.Subscribe(replyTo),
                new HostStoreCommand.Inspect("p1", "/models/m", replyTo),
                new HostStoreCommand.Load(
                        "p1",
                        "m",
                        "v1",
                        "/models/m",
                        "cd".repeat(32),
                        4,
                        1 << 20,
                        List.of(new HostStoreCommand.Holder("host-0", "10.0.0.1:7000", SHARDS)),
                        List.of("ab".repeat(32)),
                        replyTo),
                new HostStoreCommand.Unload("ab".repeat(32)),
                new HostStoreCommand.Restore("p1", CHECKPOINT, SHARDS, MEMBERSHIP.hosts(), replyTo),
                new HostStoreCommand.Release("ab".repeat(32)),
                new HostStoreCommand.Dismiss(),
                new HostStoreEvent.HostState(
                        "host-0",
                        "10.0.0.1:7000",
                        List.of(new HostStoreEvent.Held(CHECKPOINT, SHARDS, 1L << 40)),
                        PLACE,
                        List.of(new HostStoreEvent.Held(CHECKPOINT, List.of(new ShardRange(2, 2)))),
                        true),
                new HostStoreEvent.Inspected("host-0", "p1", "cd".repeat(32), 3, Long.MAX_VALUE, 7, true),
                new HostStoreEvent.InspectRefused(
                        "host-0", "p1", HostStoreEvent.InspectRefused.Reason.NOT_FOUND, "no such file"),
                new HostStoreEvent.LoadProgress("host-0", "p1", 1L << 41),
                new HostStoreEvent.Loaded("host-0", "p1", "ab".repeat(32), 1L << 41, 1L << 40, 1L << 40),
                new HostStoreEvent.LoadFailed("host-0", "p1", "disk \"a\" is full: ü"));
    }

    private Stream<Wire> workerCommands() {
        ActorRef<WorkerEvent> replyTo = kit.<WorkerEvent>createTestProbe().ref();
        Slots slots = new Slots(3, 64 << 20, "enough memory");
        return Stream.of(
                new WorkerCommand.Subscribe(replyTo),
                new WorkerCommand.Prepare(
                        7,
                        "u1",
                        CHECKPOINT,
                        LoadMode.IN_PLACE,
                        Strategy.STANDBY,
                        MEMBERSHIP,
                        slots,
                        Exchange.NCCL,
                        30_000,
                        true,
                        VerifyPoint.ENGINE,
                        List.of(new BandwidthLimit("model m", 1L << 30), new BandwidthLimit("tenant ann", 1)),
                        replyTo),
                new WorkerCommand.Begin(7),
                new WorkerCommand.Stream(7),
                new WorkerCommand.Drop(7, "host-0/1"),
                new WorkerCommand.Repair(7, List.of("host-0/1"), MEMBERSHIP.hosts()),
                new WorkerCommand.HoldOn(7),
                new WorkerCommand.Commit(7),
                new WorkerCommand.Abort(7, "worker host-0/1 is gone", replyTo),
                new WorkerCommand.Verify("y1", CHECKPOINT, MEMBERSHIP, replyTo));
    }

    private Stream<Wire> workerEvents() {
        String worker = "host-0/0";
        WorkerEvent.Session session = new WorkerEvent.Session(7, "u1", 2, WorkerEvent.Session.Phase.STAGED, "v0");
        return Stream.of(
                new WorkerEvent.WorkerState(worker, "host-0", "GPU-1", 1L << 33, 22803, 7, session, ENGINE),
                new WorkerEvent.WorkerState(worker, "host-0", "host", 1L << 33, null, 0, null, null),
                new WorkerEvent.WorkerState(
                        worker, "host-0", "host", 1L << 33, null, 0, null, ENGINE, Map.of("tenant", "a")),
                new WorkerEvent.Prepared(worker, 7, "ef".repeat(32)),
                new WorkerEvent.PrepareRefused(worker, 7, "no memory"),
                new WorkerEvent.Begun(worker, 7),
                new WorkerEvent.Progress(worker, 7, 1L << 35),
                new WorkerEvent.Progress(worker, 7, 0, 1L << 35),
                new WorkerEvent.HeldUp(worker, 7),
                new WorkerEvent.Staged(worker, 7, new WorkerEvent.StageReport(1, 2, 3, 4, 5, 6, 7)),
                new WorkerEvent.Staged(
                        worker, 7, new WorkerEvent.StageReport(1, 2, 3, 4, 5, 6, 7, TAKEN, 10, List.of(DAMAGE))),
                new WorkerEvent.Failed(worker, 7, "peer sent nothing", "host-1"),
                new WorkerEvent.Failed(worker, 7, "engine refused", null),
                new WorkerEvent.ConsumerLost(worker, 7, "host-0/1", "its connection broke"),
                new WorkerEvent.OwnerLost(worker, 7, "host-0/1", "its connection broke"),
                new WorkerEvent.Committed(worker, 7, 1234),
                new WorkerEvent.Aborted(worker, 7, EMPTY_ENGINE),
                new WorkerEvent.Aborted(worker, 7, null),
                new WorkerEvent.Verified(worker, "y1", "engine-0", "v1", 272, List.of("a", "b"), 2, null, List.of("f")),
                new WorkerEvent.Verified(worker, "y1", null, null, 0, List.of(), 0, "no engine"));
    }

    private Stream<Wire> trainerMessages() {
        ActorRef<OperationReply> replyTo = kit.<OperationReply>createTestProbe().ref();
        return Stream.of(
                new TrainerCommand.Publish("m", "v1", "/models/m", replyTo),
                new TrainerCommand.UpdateWeights("m", "v2", LoadMode.SHADOW, "broadcast", "blue", replyTo),
                new TrainerCommand.UpdateWeights("m", "v2", null, "auto", null, replyTo),
                new TrainerCommand.Enqueue(
                        new TrainerCommand.UpdateWeights("m", "v2", LoadMode.SHADOW, "auto", "blue", replyTo),
                        600_000L),
                new TrainerCommand.Enqueue(
                        new TrainerCommand.UpdateWeights("m", "v2", null, "auto", null, replyTo), null),
                new TrainerCommand.Cancel("o1", new Origin("ann", null), replyTo),
                new TrainerCommand.UpdateWeights(
                        "m", "v2", null, "auto", null, VerifyPoint.ENGINE, Origin.UNKNOWN, replyTo),
                new TrainerCommand.Rollback("m", "v1", LoadMode.IN_PLACE, "blue", replyTo),
                new TrainerCommand.Rollback("m", null, null, null, replyTo),
                new TrainerCommand.VerifyModel("m", replyTo),
                new TrainerCommand.VerifyModel("m", "tenant=a", Origin.UNKNOWN, replyTo),
                new TrainerCommand.CanaryUpdate(
                        "m",
                        "v2",
                        LoadMode.SHADOW,
                        "auto",
                        "tenant=a",
                        new Canary("10%", 30_000L, "http://h/health"),
                        new Origin("ann", "k1"),
                        replyTo),
                new TrainerCommand.CanaryUpdate(
                        "m", "v2", null, "auto", null, new Canary("1", null, null), Origin.UNKNOWN, replyTo),
                new TrainerCommand.DecideCanary(
                        "canary-1",
                        null,
                        TrainerCommand.DecideCanary.Decision.REVERT,
                        "command",
                        "exit code 3",
                        Origin.UNKNOWN,
                        replyTo),
                new TrainerCommand.GetOperation("o1", replyTo),
                new OperationReply.Operation(
                        "o1", "update", OperationReply.State.RUNNING, "streaming", 5, 10, null, null),
                new OperationReply.Operation(
                        "o1", "update", OperationReply.State.FAILED, "aborted", 5, 10, "gone", "{\"a\":1}"),
                new OperationReply.Operation(
                        "o1",
                        "update",
                        OperationReply.State.RUNNING,
                        "queued",
                        0,
                        0,
                        null,
                        null,
                        new OperationReply.Turn(
                                2,
                                "o0 is running",
                                Instant.EPOCH.plusNanos(123_456_789),
                                Instant.EPOCH.plusSeconds(3600))),
                new OperationReply.Refused(OperationReply.Refused.Code.CONFLICT, "an update is running"),
                new OperationReply.Refused(
                        OperationReply.Refused.Code.LIMITED, "too many", "updates-per-hour", Instant.EPOCH));
    }
}
