package dev.inflight.coordinator.fleet;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.Address;
import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.testkit.typed.javadsl.TestProbe;
import akka.actor.typed.ActorRef;
import akka.cluster.ClusterEvent.CurrentClusterState;
import akka.cluster.Member;
import akka.cluster.MemberStatus;
import akka.cluster.UniqueAddress;
import akka.cluster.typed.Down;
import akka.util.Version;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import scala.Option;
import scala.collection.immutable.TreeSet$;
import scala.jdk.javaapi.CollectionConverters;

class DeadProcessesTest {
    private static final ActorTestKit KIT = ActorTestKit.create();
    private static final Duration NOT_TOLD = Duration.ofMillis(200);

    private final List<Member> members = IntStream.range(0, 3)
            .mapToObj(i -> member(new Address("akka", "inflight", "10.0.0." + i, 25520)))
            .toList();
    private final TestProbe<Down> manager = KIT.createTestProbe();
    private final AtomicInteger downed = new AtomicInteger();

    @AfterAll
    static void stop() {
        KIT.shutdownTestKit();
    }

    @Test
    void downsASilentMemberWhoseMachineRefusesConnections() {
        Member dead = members.get(2);
        ask(refusing(dead), Set.of(dead)).tell(DeadProcesses.unreachable(dead));

        assertThat(manager.receiveMessage().address()).isEqualTo(dead.address());
        manager.awaitAssert(() -> {
            assertThat(downed).hasValue(1);
            return null;
        });
    }

    @Test
    void looksAgainWhileWhatIsKnownOfTheClusterLagsBehind() {
        Member dead = members.get(2);
        AtomicInteger looked = new AtomicInteger();
        KIT.spawn(DeadProcesses.create(
                        refusing(dead),
                        () -> state(looked.incrementAndGet() < 3 ? Set.of() : Set.of(dead)),
                        manager.getRef(),
                        downed::incrementAndGet))
                .tell(DeadProcesses.unreachable(dead));

        assertThat(manager.receiveMessage().address()).isEqualTo(dead.address());
        assertThat(looked).hasValue(3);
        manager.expectNoMessage(NOT_TOLD);
    }

    @Test
    void leavesAMemberToTheResolverWhoseMachineTakesConnectionsOrDoesNotAnswer() {
        Member silent = members.get(2);
        ask(refusing(), Set.of(silent)).tell(DeadProcesses.unreachable(silent));

        manager.expectNoMessage(NOT_TOLD);
    }

    @Test
    void aMinorityDownsNobodyHoweverManyRefuse() {
        List<Member> others = members.subList(1, 3);
        ActorRef<DeadProcesses.Event> alone = ask(member -> true, Set.copyOf(others));
        others.forEach(other -> alone.tell(DeadProcesses.unreachable(other)));

        manager.expectNoMessage(NOT_TOLD);
        assertThat(downed).hasValue(0);
    }

    @Test
    void downsNobodyThatIsBackBeforeTheAnswer() throws Exception {
        Member back = members.get(2);
        CountDownLatch probed = new CountDownLatch(1);
        ask(
                        member -> {
                            probed.countDown();
                            return true;
                        },
                        Set.of())
                .tell(DeadProcesses.unreachable(back));

        assertThat(probed.await(10, TimeUnit.SECONDS)).isTrue();
        manager.expectNoMessage(NOT_TOLD);
    }

    @Test
    void aPortThatNobodyListensAtRefusesAndOneWithAListenerDoesNot() throws Exception {
        Address listening;
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            listening = new Address("akka", "inflight", "127.0.0.1", socket.getLocalPort());
            assertThat(DeadProcesses.refuses(listening)).isFalse();
        }
        assertThat(DeadProcesses.refuses(listening)).isTrue();
        assertThat(DeadProcesses.refuses(new Address("akka", "inflight"))).isFalse();
        assertThat(DeadProcesses.refuses(new Address("akka", "inflight", "no-such-host.invalid", 1)))
                .isFalse();
    }

    private ActorRef<DeadProcesses.Event> ask(DeadProcesses.Probe probe, Set<Member> unreachable) {
        CurrentClusterState state = state(unreachable);
        return KIT.spawn(DeadProcesses.create(probe, () -> state, manager.getRef(), downed::incrementAndGet));
    }

    private static DeadProcesses.Probe refusing(Member... dead) {
        Set<Address> addresses =
                Set.of(List.of(dead).stream().map(Member::address).toArray(Address[]::new));
        return addresses::contains;
    }

    private CurrentClusterState state(Set<Member> unreachable) {
        return new CurrentClusterState(
                TreeSet$.MODULE$.<Member>from(CollectionConverters.asScala(members), Member.ordering()),
                CollectionConverters.asScala(unreachable).toSet(),
                scala.collection.immutable.Set$.MODULE$.empty(),
                Option.empty(),
                scala.collection.immutable.Map$.MODULE$.empty());
    }

    private static Member member(Address address) {
        return new Member(
                new UniqueAddress(address, address.hashCode()),
                1,
                MemberStatus.up(),
                scala.collection.immutable.Set$.MODULE$.empty(),
                Version.Zero());
    }
}
