package dev.inflight.coordinator.update;

import static dev.inflight.coordinator.TestFleet.checkpoint;
import static dev.inflight.coordinator.TestFleet.held;
import static dev.inflight.coordinator.TestFleet.pending;
import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import com.typesafe.config.ConfigFactory;
import dev.inflight.coordinator.TestFleet;
import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.fleet.JoinSources;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.HostStoreEvent.Held;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.cluster.Strategy;
import dev.inflight.protocol.plan.Membership;
import dev.inflight.protocol.plan.ShardRange;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;

class JoinMembershipTest {
    private static final ActorTestKit KIT = ActorTestKit.create(
            ConfigFactory.parseString("akka.actor.provider = local").withFallback(ConfigFactory.load()));
    private static final CheckpointRef V2 = checkpoint("v2", 4);

    private final TestFleet fleet = new TestFleet(KIT)
            .host("h1", held(V2, 0, 1))
            .host("h2", held(V2, 2, 3))
            .host("h3")
            .host("new")
            .worker("new/0", pending("e"));
    private final JoinSources sources = new JoinSources();

    @AfterAll
    static void stop() {
        KIT.shutdownTestKit();
    }

    @Test
    void hasTheEnginesWorkerAndAllHostsThatHoldShards() {
        Membership membership = ready().membership();
        assertThat(membership.workers()).containsExactly(new Membership.Worker("new/0", 2, true));
        assertThat(membership.hosts()).extracting(Membership.Host::name).containsExactly("h1", "h2", "new");
        assertThat(membership.hosts().getFirst().shards()).containsExactly(new ShardRange(0, 1));
    }

    @Test
    void anEngineWithoutWeightsLoadsInPlaceAndOneThatServesBesideIfItCan() {
        assertThat(ready().mode()).isEqualTo(LoadMode.IN_PLACE);
        fleet.worker("new/0", TestFleet.serving("e", "v1"));
        assertThat(ready().mode()).isEqualTo(LoadMode.SHADOW);
        fleet.worker(
                "new/0", TestFleet.engine("e", EngineStatus.State.PENDING_WEIGHTS, null, List.of(LoadMode.SHADOW)));
        assertThat(ready().mode()).isEqualTo(LoadMode.SHADOW);
    }

    @Test
    void aHostThatHoldsEverythingNeedsNoOther() {
        fleet.host("new", held(V2, 0, 3));
        assertThat(ready().membership().hosts())
                .extracting(Membership.Host::name)
                .containsExactly("new");
    }

    @Test
    void aHostThatKeepsPartsOfShardsIsNoSourceAndLacksThemItself() {
        Held parts = new Held(V2, List.of(), 1 << 20);
        fleet.host("h3", parts).host("new", parts);
        Membership membership = ready().membership();
        assertThat(membership.hosts()).extracting(Membership.Host::name).containsExactly("h1", "h2", "new");
        assertThat(membership.hosts().getLast().shards()).isEmpty();
        fleet.host("h2", parts);
        assertThat(preparation(fleet.view()))
                .isInstanceOfSatisfying(
                        Preparation.ShardsLost.class,
                        lost -> assertThat(lost.lost().ranges()).containsExactly(new ShardRange(2, 3)));
    }

    @Test
    void hostsThatReplicateAreSourcesUnlessTheyTakeFromThisOne() {
        fleet.replicating("h3", held(V2, 0, 3));
        Membership membership = ready().membership();
        assertThat(membership.hosts()).extracting(Membership.Host::name).containsExactly("h1", "h2", "h3", "new");
        assertThat(membership.hosts().get(2).coming()).containsExactly(new ShardRange(0, 3));
        sources.point("join-3", "h3", "another", Set.of("h1", "new"));
        assertThat(ready().membership().hosts())
                .extracting(Membership.Host::name)
                .containsExactly("h1", "h2", "new");
    }

    @Test
    void hostsThatAJoinWasPointedAtAreSourcesBeforeTheySaySo() {
        fleet.host("h3");
        sources.point("join-3", "h3", V2.digest(), Set.of("h1"));
        assertThat(ready().membership().hosts().get(2).coming()).containsExactly(new ShardRange(0, 3));
    }

    @Test
    void hostsThatTakeFromThisOneByWayOfOthersAreNoSources() {
        fleet.replicating("h3", held(V2, 0, 3));
        sources.point("join-3", "h3", V2.digest(), Set.of("h4"));
        sources.point("join-4", "h4", V2.digest(), Set.of("new"));
        assertThat(ready().membership().hosts())
                .extracting(Membership.Host::name)
                .containsExactly("h1", "h2", "new");
    }

    @Test
    void saysHowManyOtherJoinsWerePointedAtEachHost() {
        sources.point("join-1", "x", "another", Set.of("h1", "h2"));
        sources.point("join-2", "y", "another", Set.of("h1"));
        sources.point("join", "new", "another", Set.of("h1", "h2"));
        assertThat(ready().membership().hosts())
                .extracting(Membership.Host::uploads)
                .containsExactly(2, 1, 0);
        sources.release("join-1");
        assertThat(ready().membership().hosts())
                .extracting(Membership.Host::uploads)
                .containsExactly(1, 0, 0);
    }

    @Test
    void shardsThatNobodyHoldsAreLost() {
        fleet.host("h2");
        assertThat(preparation(fleet.view())).isInstanceOfSatisfying(Preparation.ShardsLost.class, lost -> {
            assertThat(lost.lost().ranges()).containsExactly(new ShardRange(2, 3));
            assertThat(lost.holders()).containsExactly("h1");
            assertThat(lost.others()).containsExactly("h2", "h3", "new");
        });
    }

    private Preparation.Ready ready() {
        Preparation preparation = preparation(fleet.view());
        assertThat(preparation).isInstanceOf(Preparation.Ready.class);
        return (Preparation.Ready) preparation;
    }

    private Preparation preparation(Fleet view) {
        return new Preparer(
                        view,
                        new UpdateRequest(V2, null, Strategy.P2P, "new/0"),
                        Map.of(),
                        worker -> true,
                        Set.of(),
                        Map.of(),
                        false,
                        new Preparer.JoinView("join", sources),
                        TestFleet.settings("").update())
                .prepare(Set.of("new/0"));
    }
}
