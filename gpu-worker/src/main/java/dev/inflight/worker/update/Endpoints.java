package dev.inflight.worker.update;

import dev.inflight.protocol.plan.Membership;
import java.util.Map;
import java.util.stream.Collectors;

/** Peer servers of the hosts of an update's members, by worker. */
record Endpoints(Map<String, String> byWorker) {
    static Endpoints of(Membership membership) {
        return new Endpoints(membership.workers().stream()
                .collect(Collectors.toMap(
                        Membership.Worker::id,
                        member -> membership.hosts().get(member.host()).endpoint())));
    }

    /** @throws UpdateException if the worker is not a member */
    String of(String worker) {
        var endpoint = byWorker.get(worker);
        if (endpoint == null) {
            throw new UpdateException("worker " + worker + " is not a member", worker);
        }
        return endpoint;
    }
}
