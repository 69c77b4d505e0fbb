package dev.inflight.coordinator.http;

import akka.actor.Address;
import akka.cluster.ClusterEvent.CurrentClusterState;
import akka.cluster.Member;
import akka.cluster.typed.Cluster;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/** The cluster's members as this node sees them. */
record ClusterView(String self, @Nullable String leader, List<MemberView> members) {
    record MemberView(String address, String status, Set<String> roles, boolean reachable) {}

    static ClusterView of(Cluster cluster) {
        CurrentClusterState state = cluster.state();
        Set<Member> unreachable = state.getUnreachable();
        List<MemberView> members = new ArrayList<>();
        state.getMembers()
                .forEach(member -> members.add(new MemberView(
                        member.address().toString(),
                        member.status().toString().toLowerCase(Locale.ROOT),
                        new TreeSet<>(member.getRoles()),
                        !unreachable.contains(member))));
        Address leader = state.getLeader();
        return new ClusterView(
                cluster.selfMember().address().toString(), leader == null ? null : leader.toString(), members);
    }
}
