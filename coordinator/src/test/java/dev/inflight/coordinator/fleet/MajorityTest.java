package dev.inflight.coordinator.fleet;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.Address;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class MajorityTest {
    @Test
    void aNodeThatReachesNobodyOfThreeIsInTheMinority() {
        assertThat(isReachable(3, 1)).isFalse();
        assertThat(isReachable(3, 0)).isFalse();
        assertThat(isReachable(3, 1, 2)).isTrue();
    }

    @Test
    void ofTwoHalvesTheOneWithTheLowestAddressIsTheMajority() {
        assertThat(isReachable(2, 0)).isTrue();
        assertThat(isReachable(2, 1)).isFalse();
        assertThat(isReachable(4, 0, 3)).isTrue();
        assertThat(isReachable(4, 1, 2)).isFalse();
    }

    @Test
    void aNodeThatIsNoMemberYetIsInNone() {
        assertThat(isReachable(0)).isFalse();
    }

    @Property
    void ofTheTwoSidesOfACutOneIsTheMajority(
            @ForAll @IntRange(min = 1, max = 12) int members, @ForAll @IntRange(min = 0, max = 4095) int side) {
        List<Address> all = addresses(members);
        boolean here = Majority.isReachable(all, address -> (side >> all.indexOf(address) & 1) == 0);
        boolean there = Majority.isReachable(all, address -> (side >> all.indexOf(address) & 1) == 1);
        assertThat(here).isNotEqualTo(there);
    }

    private static boolean isReachable(int members, int... reachable) {
        List<Address> all = addresses(members);
        List<Address> seen = new ArrayList<>();
        for (int index : reachable) {
            seen.add(all.get(index));
        }
        return Majority.isReachable(all, seen::contains);
    }

    private static List<Address> addresses(int count) {
        return IntStream.range(0, count)
                .mapToObj(i -> new Address("akka", "inflight", "10.0.0." + i, 25520))
                .toList();
    }
}
