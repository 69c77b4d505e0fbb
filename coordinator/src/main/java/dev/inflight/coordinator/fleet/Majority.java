package dev.inflight.coordinator.fleet;

import akka.actor.Address;
import akka.cluster.ClusterEvent.CurrentClusterState;
import akka.cluster.Member;
import akka.cluster.MemberStatus;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;

/**
 * Whether a node is on the side of a cut that goes on. The rule of Akka's strategy {@code keep-majority}, so that both
 * come to the same answer: more than half of the members, or half of them with the lowest address among them.
 */
public final class Majority {
    private static final Set<MemberStatus> COUNTED = Set.of(MemberStatus.up(), MemberStatus.leaving());

    private Majority() {}

    /** @param state as the node sees it */
    public static boolean isReachable(CurrentClusterState state) {
        List<Address> members = new ArrayList<>();
        for (Member member : state.getMembers()) {
            if (COUNTED.contains(member.status())) {
                members.add(member.address());
            }
        }
        members.sort(byAddress());
        Set<Member> unreachable = state.getUnreachable();
        return isReachable(
                members,
                address -> unreachable.stream()
                        .noneMatch(member -> member.address().equals(address)));
    }

    /** @param members in the order of their addresses */
    static boolean isReachable(List<Address> members, Predicate<Address> reachable) {
        long here = members.stream().filter(reachable).count();
        long away = members.size() - here;
        return here > away || (here == away && !members.isEmpty() && reachable.test(members.getFirst()));
    }

    private static Comparator<Address> byAddress() {
        return Member.addressOrdering();
    }
}
