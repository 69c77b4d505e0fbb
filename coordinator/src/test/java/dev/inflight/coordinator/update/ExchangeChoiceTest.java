package dev.inflight.coordinator.update;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import dev.inflight.coordinator.TestFleet;
import dev.inflight.coordinator.fleet.JoinSources;
import dev.inflight.protocol.cluster.BandwidthLimit;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.Exchange;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.cluster.OperationReply.Refused;
import dev.inflight.protocol.cluster.Strategy;
import dev.inflight.protocol.plan.Place;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Which exchange {@link Preparer} chooses for a fleet. */
class ExchangeChoiceTest {
    private static final int NCCL = 22803;
    private static final CheckpointRef TARGET = TestFleet.checkpoint("v2", 2);
    private static final ActorTestKit KIT = ActorTestKit.create(
            ConfigFactory.parseString("akka.actor.provider = local, akka.fail-mixed-versions = off"));

    @AfterAll
    static void stopActors() {
        KIT.shutdownTestKit();
    }

    @Test
    void hostsWhoseWorkersHaveTheSameNcclAndOwnGpusUseIt() {
        assertThat(choice("auto", twoHosts("GPU-0", NCCL, "GPU-1", NCCL)))
                .isEqualTo(new ExchangeChoice(
                        Exchange.NCCL, "2 workers on 2 hosts, each with a GPU of its own, have NCCL 2.28.3"));
    }

    @Test
    void aSourceWithoutAnEngineIsARankToo() {
        var fleet = new TestFleet(KIT)
                .host("a", TestFleet.held(TARGET, 0, 0))
                .host("b", TestFleet.held(TARGET, 1, 1))
                .gpuWorker("a/0", "GPU-0", NCCL, TestFleet.serving("e0", "v1"))
                .gpuWorker("b/0", "GPU-1", NCCL, null);
        assertThat(choice("auto", fleet).exchange()).isEqualTo(Exchange.NCCL);
        fleet.gpuWorker("b/0", "host", null, null);
        assertThat(choice("auto", fleet)).isEqualTo(new ExchangeChoice(Exchange.TRANSFERS, "worker b/0 has no NCCL"));
    }

    @Test
    void oneHostCopiesBetweenItsGpus() {
        assertThat(choice("auto", oneHost()))
                .isEqualTo(new ExchangeChoice(Exchange.TRANSFERS, "all workers are of one host"));
    }

    @Test
    void oneHostCanBeForced() {
        assertThat(choice("nccl", oneHost()).exchange()).isEqualTo(Exchange.NCCL);
    }

    @Test
    void whatIsNoGroupForNcclUsesTransfersAndIsRefusedWhereItIsForced() {
        assertObstacle(twoHosts("host", null, "host", null), "worker a/0 has no NCCL");
        assertObstacle(twoHosts("GPU-0", NCCL, "GPU-1", null), "worker b/0 has no NCCL");
        assertObstacle(twoHosts("GPU-0", NCCL, "GPU-1", 21805), "worker a/0 has NCCL 2.28.3 and worker b/0 has 2.18.5");
        assertObstacle(twoHosts("GPU-0", NCCL, "GPU-0", NCCL), "workers a/0 and b/0 are on the same GPU");
        assertObstacle(
                new TestFleet(KIT)
                        .host("a", TestFleet.held(TARGET, 0, 1))
                        .gpuWorker("a/0", "GPU-0", NCCL, TestFleet.serving("e0", "v1")),
                "only one worker takes part");
    }

    private static void assertObstacle(TestFleet fleet, String obstacle) {
        assertThat(choice("auto", fleet)).isEqualTo(new ExchangeChoice(Exchange.TRANSFERS, obstacle));
        assertThat(prepare("nccl", fleet, false))
                .isEqualTo(new Preparation.No(new Refused(
                        Refused.Code.INVALID,
                        "inflight.coordinator.update.exchange is nccl, but " + obstacle + "; set it to auto")));
    }

    @Test
    void transfersCanBeForced() {
        assertThat(choice("transfers", twoHosts("GPU-0", NCCL, "GPU-1", NCCL)))
                .isEqualTo(new ExchangeChoice(Exchange.TRANSFERS, "inflight.coordinator.update.exchange is transfers"));
    }

    @Test
    void ownersThatSendToManyMachinesOfOneMulticastGroupCast() {
        assertThat(choice("auto", machines(4, "239.192.71.1:40471")))
                .isEqualTo(new ExchangeChoice(
                        Exchange.AERON,
                        "an owner sends to 3 other machines, and all hosts are in multicast group 239.192.71.1:40471"));
    }

    @Test
    void fewMachinesOrHostsWithoutMulticastUseTransfers() {
        assertThat(choice("auto", machines(3, "239.192.71.1:40471")).exchange()).isEqualTo(Exchange.TRANSFERS);
        assertThat(choice("auto", machines(4, "")).exchange()).isEqualTo(Exchange.TRANSFERS);
        var mixed = machines(4, "239.192.71.1:40471").at("h0", new Place("", "", "", "239.192.71.3:40471"));
        assertThat(choice("auto", mixed).exchange()).isEqualTo(Exchange.TRANSFERS);
    }

    @Test
    void hostsOfOneMachineCountOnce() {
        var together = machines(4, "239.192.71.1:40471");
        for (int host = 0; host < 4; host++) {
            together.at("h" + host, new Place("one machine", "", "", "239.192.71.1:40471"));
        }
        assertThat(choice("auto", together).exchange()).isEqualTo(Exchange.TRANSFERS);
    }

    @Test
    void castingCanBeForced() {
        assertThat(choice("aeron", machines(2, "")))
                .isEqualTo(new ExchangeChoice(Exchange.AERON, "inflight.coordinator.update.exchange is aeron"));
    }

    /** The first two hold a shard each. */
    private static TestFleet machines(int hosts, String multicast) {
        var fleet = new TestFleet(KIT);
        for (int host = 0; host < hosts; host++) {
            var name = "h" + host;
            if (host < 2) {
                fleet.host(name, TestFleet.held(TARGET, host, host));
            } else {
                fleet.host(name);
            }
            fleet.at(name, new Place("", "", "", multicast)).worker(name + "/0", TestFleet.serving("e" + host, "v1"));
        }
        return fleet;
    }

    @Test
    void weightsAreRestoredByTransfersWhateverIsSet() {
        var restoring = prepare("nccl", twoHosts("GPU-0", NCCL, "GPU-1", NCCL), true);
        assertThat(((Preparation.Ready) restoring).exchange().exchange()).isEqualTo(Exchange.TRANSFERS);
    }

    @ParameterizedTest
    @ValueSource(strings = {"auto", "nccl", "aeron"})
    void aLimitOfBandwidthIsKeptToByTransfersWhateverIsSet(String setting) {
        var fleet = twoHosts("GPU-0", NCCL, "GPU-1", NCCL);
        var request = new UpdateRequest(TARGET, LoadMode.SHADOW, Strategy.BROADCAST, null)
                .under(List.of(new BandwidthLimit("model m", 1 << 20)));
        var limited = (Preparation.Ready) prepare(setting, fleet, request, false);
        assertThat(limited.exchange().exchange()).isEqualTo(Exchange.TRANSFERS);
        assertThat(limited.exchange().reason()).isEqualTo("bytes-per-second-per-host is kept to by transfers only");
    }

    @Test
    void anotherSettingIsRefusedByName() {
        assertThatThrownBy(() -> TestFleet.settings("inflight.coordinator.update.exchange = rdma"))
                .isInstanceOf(ConfigException.BadValue.class)
                .hasMessageContaining("exchange")
                .hasMessageContaining("must be auto, transfers, nccl or aeron");
    }

    private static TestFleet twoHosts(String gpuA, @Nullable Integer ncclA, String gpuB, @Nullable Integer ncclB) {
        return new TestFleet(KIT)
                .host("a", TestFleet.held(TARGET, 0, 0))
                .host("b", TestFleet.held(TARGET, 1, 1))
                .gpuWorker("a/0", gpuA, ncclA, TestFleet.serving("e0", "v1"))
                .gpuWorker("b/0", gpuB, ncclB, TestFleet.serving("e1", "v1"));
    }

    private static TestFleet oneHost() {
        return new TestFleet(KIT)
                .host("a", TestFleet.held(TARGET, 0, 1))
                .gpuWorker("a/0", "GPU-0", NCCL, TestFleet.serving("e0", "v1"))
                .gpuWorker("a/1", "GPU-1", NCCL, TestFleet.serving("e1", "v1"));
    }

    private static ExchangeChoice choice(String setting, TestFleet fleet) {
        return ((Preparation.Ready) prepare(setting, fleet, false)).exchange();
    }

    private static Preparation prepare(String setting, TestFleet fleet, boolean restoring) {
        return prepare(setting, fleet, new UpdateRequest(TARGET, null, Strategy.BROADCAST, null), restoring);
    }

    private static Preparation prepare(String setting, TestFleet fleet, UpdateRequest request, boolean restoring) {
        var settings = TestFleet.settings("inflight.coordinator.update.exchange = " + setting);
        return new Preparer(
                        fleet.view(),
                        request,
                        Map.of(),
                        id -> true,
                        Set.of(),
                        Map.of(),
                        restoring,
                        new Preparer.JoinView("none", new JoinSources()),
                        settings.update())
                .prepare(Set.of());
    }
}
