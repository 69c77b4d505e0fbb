package dev.inflight.worker.update;

import dev.inflight.protocol.plan.Membership;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/** Which owners were lost, and which hosts hold what they owned. Thread-safe. */
final class LostOwners {
    private final Duration patience;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private final Map<String, String> missed = new HashMap<>();
    private List<String> owners = List.of();
    private List<Membership.Host> hosts = List.of();
    private int told;

    /** @param patience longest wait for the coordinator to know of a loss too, or of one that makes its word untrue */
    LostOwners(Duration patience) {
        this.patience = patience;
    }

    /**
     * What the coordinator told last.
     *
     * @param told how often it has told something
     */
    record Holders(int told, List<Membership.Host> hosts) {}

    /** This worker can take nothing more from an owner. */
    void missed(String owner, String reason) {
        lock.lock();
        try {
            missed.put(owner, reason);
        } finally {
            lock.unlock();
        }
    }

    /** @param holders of what the owners had; empty while some of it is nowhere */
    void tell(List<String> lost, List<Membership.Host> holders) {
        lock.lock();
        try {
            owners = lost;
            hosts = holders;
            told++;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /**
     * Waits until hosts are known that hold what an owner had. While the coordinator looks for some, the wait has no
     * bound of its own: that has, and so has an update without a coordinator.
     *
     * @param tried what was told when hosts were tried in vain; 0 if none were
     * @throws UpdateException if the coordinator tells nothing new in time
     */
    Holders await(String owner, int tried) throws InterruptedException {
        lock.lock();
        try {
            int seen = told;
            long left = patience.toNanos();
            while (!owners.contains(owner) || hosts.isEmpty() || told <= tried) {
                boolean sought = owners.contains(owner) && hosts.isEmpty();
                if (left <= 0 && !sought) {
                    throw new UpdateException(
                            "owner " + owner + " was lost and nobody took its place within " + patience.toMillis()
                                    + " ms: " + missed.get(owner),
                            owner);
                }
                left = changed.awaitNanos(sought ? patience.toNanos() : left);
                if (told != seen) {
                    seen = told;
                    left = patience.toNanos();
                }
            }
            return new Holders(told, hosts);
        } finally {
            lock.unlock();
        }
    }
}
