package dev.inflight.worker.cast;

import static org.assertj.core.api.Assertions.assertThat;

import dev.inflight.protocol.plan.Membership;
import dev.inflight.protocol.plan.Place;
import dev.inflight.protocol.plan.ShardRange;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class CastSourcesTest {
    private static final String GROUP = "239.192.71.1:40471";
    private static final Set<Integer> ALL = Set.of(0, 1, 2, 3);
    private static final Membership.Host JOINER = host("j", "machine-j", GROUP);

    @Test
    void holdersTakeTurnsSoThatAllJoinersAskTheSameOne() {
        var hosts = List.of(host("b", "machine-b", GROUP, 0, 3), host("a", "machine-a", GROUP, 0, 3), JOINER);
        var choice = CastSources.of(JOINER, hosts, true, ALL);
        assertThat(choice.reason()).isEmpty();
        assertThat(choice.sources()).extracting(source -> source.host().name()).containsExactly("a", "b");
        assertThat(choice.sources()).extracting(CastSources.Source::shards).containsExactly(Set.of(0, 2), Set.of(1, 3));
        var other = host("k", "machine-k", GROUP);
        assertThat(CastSources.of(other, hosts.reversed(), true, ALL)).isEqualTo(choice);
    }

    @Test
    void onlyHoldersOfWhatIsLackingAreAsked() {
        var hosts = List.of(host("a", "machine-a", GROUP, 0, 1), host("b", "machine-b", GROUP, 2, 3), JOINER);
        var choice = CastSources.of(JOINER, hosts, true, Set.of(1));
        assertThat(choice.sources()).singleElement().satisfies(source -> {
            assertThat(source.host().name()).isEqualTo("a");
            assertThat(source.shards()).containsExactly(1);
        });
    }

    @Test
    void withoutMulticastNobodyIsAsked() {
        var joiner = host("j", "machine-j", "");
        var choice = CastSources.of(joiner, List.of(host("a", "machine-a", GROUP, 0, 3), joiner), true, ALL);
        assertThat(choice.sources()).isEmpty();
        assertThat(choice.reason()).isEqualTo("this host is in no multicast group");
    }

    @Test
    void holdersOfAnotherGroupAreNotAsked() {
        var hosts = List.of(host("a", "machine-a", "239.192.71.3:40471", 0, 3), host("b", "machine-b", "", 0, 3));
        var choice = CastSources.of(JOINER, hosts, true, ALL);
        assertThat(choice.sources()).isEmpty();
        assertThat(choice.reason())
                .isEqualTo("no other machine of multicast group " + GROUP + " holds what this one lacks");
    }

    @Test
    void whatTheOwnMachineHoldsIsCopiedFromThere() {
        var hosts = List.of(host("a", "machine-j", GROUP, 0, 1), host("b", "machine-b", GROUP, 0, 3));
        var choice = CastSources.of(JOINER, hosts, true, ALL);
        assertThat(choice.sources()).singleElement().satisfies(source -> {
            assertThat(source.host().name()).isEqualTo("b");
            assertThat(source.shards()).containsExactlyInAnyOrder(2, 3);
        });
    }

    @Test
    void hostsThatDoNotNameTheirMachineAreMachinesOfTheirOwn() {
        var joiner = host("j", "", GROUP);
        var choice = CastSources.of(joiner, List.of(host("a", "", GROUP, 0, 3)), true, ALL);
        assertThat(choice.sources()).hasSize(1);
    }

    @Test
    void aJoinOfAPartOfTheCheckpointIsNotCastTo() {
        var choice = CastSources.of(JOINER, List.of(host("a", "machine-a", GROUP, 0, 3)), false, ALL);
        assertThat(choice.sources()).isEmpty();
        assertThat(choice.reason()).isEqualTo("its engine wants a part of the checkpoint only");
    }

    private static Membership.Host host(String name, String machine, String multicast) {
        return new Membership.Host(name, name + ":1", List.of(), new Place(machine, "", "", multicast), List.of(), 0);
    }

    private static Membership.Host host(String name, String machine, String multicast, int first, int last) {
        return new Membership.Host(
                name,
                name + ":1",
                List.of(new ShardRange(first, last)),
                new Place(machine, "", "", multicast),
                List.of(),
                0);
    }
}
