package dev.inflight.coordinator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.testkit.typed.javadsl.SerializationTestKit;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import dev.inflight.coordinator.fleet.Epochs;
import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.operation.CoordinatorQuery;
import dev.inflight.protocol.cluster.HostStoreEvent.Held;
import java.time.Instant;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class FleetTest {
    private final ActorTestKit kit = ActorTestKit.create(
            ConfigFactory.parseString("akka.actor.provider = local").withFallback(ConfigFactory.load()));
    private final TestFleet fleet = new TestFleet(kit).host("h1").worker("h1/0", TestFleet.serving("e", "v1"));

    @AfterEach
    void stop() {
        kit.shutdownTestKit();
    }

    @Test
    void workersOfAnUnreachableMemberAreLostAtOnceAndComeBackWithIt() {
        var address = fleet.workers.get("h1/0").getRef().path().address();
        Fleet cut = fleet.view().withUnreachable(address);
        assertThat(cut.workers()).isEmpty();
        assertThat(cut.hosts()).isEmpty();
        assertThat(cut.withReachable(address).workers()).containsOnlyKeys("h1/0");
    }

    @Test
    void aRestartedWorkerIsAnotherOne() {
        Fleet before = fleet.view();
        var old = fleet.workers.get("h1/0").getRef();
        var state = fleet.state("h1/0");
        fleet.withoutWorker("h1/0").worker("h1/0", TestFleet.pending("e"));
        var young = fleet.workers.get("h1/0").getRef();
        Fleet both = before.withWorkers(Set.of(old, young)).report(young, fleet.state("h1/0"));
        assertThat(before.isLive("h1/0", old)).isTrue();
        assertThat(both.isLive("h1/0", old)).isFalse();
        assertThat(both.report(old, state).isLive("h1/0", young)).isTrue();
    }

    @Test
    void isIncompleteUntilEveryRegisteredHostHasReported() {
        Fleet registered = Fleet.EMPTY.withHosts(Set.of(fleet.hosts.get("h1").getRef()));
        assertThat(registered.incomplete()).isTrue();
        assertThat(registered
                        .report(fleet.hosts.get("h1").getRef(), fleet.hostState("h1"))
                        .incomplete())
                .isFalse();
    }

    @Test
    void epochsAreAboveThoseSeenAndNotBelowTheClock() {
        AtomicLong now = new AtomicLong(1000);
        Epochs epochs = new Epochs(() -> Instant.ofEpochMilli(now.get()));
        assertThat(epochs.next()).isEqualTo(1000);
        assertThat(epochs.next()).isEqualTo(1001);
        now.set(5000);
        assertThat(epochs.next()).isEqualTo(5000);
        now.set(10);
        fleet.worker("h1/0", 9000, null, TestFleet.serving("e", "v1"));
        epochs.observe(fleet.view());
        assertThat(epochs.next()).isEqualTo(9001);
    }

    @Test
    void theLedgerNeverReleasesBytesThatAKeptVersionShares() {
        var v1 = TestFleet.checkpoint("v1", 1);
        var twin = new dev.inflight.protocol.cluster.CheckpointRef(
                "m", "v3", v1.digest(), v1.source(), 1, v1.maxPartBytes(), 10, v1.bytes(), v1.largestTensorBytes());
        VersionLedger ledger = new VersionLedger(1);
        ledger.published(v1);
        ledger.published(twin);
        Held held = TestFleet.held(v1, 0, 0);
        Fleet view = new TestFleet(kit).host("h1", held).view();
        ledger.committed("m", "v3", Set.of("v1"), Set.of(), view);
        assertThat(ledger.releases(view, Set.of())).isEmpty();
        assertThat(ledger.versions("m")).containsOnlyKeys("v3");
    }

    @Test
    void theLedgerReleasesWhatAFailedPublishLeftBehind() {
        VersionLedger ledger = new VersionLedger(2);
        Fleet view = new TestFleet(kit)
                .host("h1", TestFleet.held(TestFleet.checkpoint("v1", 1), 0, 0))
                .view();
        ledger.publishFailed("m", "v1", Set.of());
        ledger.observe(view, (model, version) -> false);
        assertThat(ledger.releases(view, Set.of()))
                .singleElement()
                .satisfies(release -> assertThat(release.digest()).isEqualTo("digest-v1"));
        assertThat(ledger.find("m", "v1")).isNull();
    }

    @Test
    void releasesOnAllHostsAndNothingThatARunningUpdateNeeds() {
        VersionLedger ledger = new VersionLedger(1);
        ledger.published(TestFleet.checkpoint("v1", 1));
        ledger.published(TestFleet.checkpoint("v2", 1));
        Fleet view = new TestFleet(kit)
                .host("h1", TestFleet.held(TestFleet.checkpoint("v1", 1), 0, 0))
                .host("h2")
                .view();
        ledger.committed("m", "v2", Set.of(), Set.of(), view);
        assertThat(ledger.releases(view, Set.of("digest-v1"))).isEmpty();
        assertThat(ledger.releases(view, Set.of()))
                .extracting(release -> release.host().name())
                .containsExactly("h1", "h2");
    }

    @Test
    void ordersLearnedVersionsByTheNumbersInTheirNames() {
        VersionLedger ledger = new VersionLedger(1);
        Fleet view = new TestFleet(kit)
                .host(
                        "h1",
                        TestFleet.held(TestFleet.checkpoint("v10", 1), 0, 0),
                        TestFleet.held(TestFleet.checkpoint("v9", 1), 0, 0))
                .view();
        ledger.observe(view, (model, version) -> false);
        ledger.published(TestFleet.checkpoint("a", 1));
        assertThat(ledger.versions("m").keySet()).containsExactly("v9", "v10", "a");
    }

    @Test
    void neverDropsAVersionThatAnEngineOutOfReachServes() {
        VersionLedger ledger = new VersionLedger(1);
        ledger.published(TestFleet.checkpoint("v1", 1));
        ledger.published(TestFleet.checkpoint("v2", 1));
        var address = fleet.workers.get("h1/0").getRef().path().address();
        ledger.committed("m", "v2", Set.of(), Set.of(), fleet.view().withUnreachable(address));
        assertThat(ledger.versions("m")).containsOnlyKeys("v1", "v2");
    }

    @Test
    void queriesCrossTheWire() {
        SerializationTestKit wire = kit.serializationTestKit();
        wire.verifySerialization(new CoordinatorQuery.Status("{}"), true);
        wire.verifySerialization(
                new CoordinatorQuery.GetStatus(
                        kit.createTestProbe(CoordinatorQuery.Status.class).getRef()),
                true);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "keep-versions = 0",
                "http.port = 70000",
                "http.host = \"\"",
                "update.prepare-timeout = 0 s",
                "update.min-slot = 1 GiB",
                "update.restore-attempts = -1",
                "publish.max-part = 1 KiB",
                "verify.timeout = 2 d"
            })
    void refusesSettingsOutOfRangeByName(String setting) {
        String path = setting.substring(0, setting.indexOf(' '));
        assertThatThrownBy(() -> TestFleet.settings("inflight.coordinator." + setting))
                .isInstanceOf(ConfigException.BadValue.class)
                .hasMessageContaining(path.substring(path.indexOf('.') + 1));
    }
}
