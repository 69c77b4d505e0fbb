package dev.inflight.worker.update;

import dev.inflight.protocol.plan.JoinPlan;
import dev.inflight.protocol.plan.Membership;
import dev.inflight.worker.transport.PartReader;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.IntPredicate;
import org.jspecify.annotations.Nullable;

/**
 * Which parts are still to be taken from whom in one replication; parts are named by their position in the plan. A part
 * is in one queue, or asked for by one reader, or here. Thread-safe.
 */
final class Pulls {
    private static final int NONE = -1;

    private final int connections;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private final Map<String, TreeSet<Integer>> queues = new HashMap<>();
    private final TreeSet<Integer> withoutSource = new TreeSet<>();
    private final Map<String, Integer> readers = new HashMap<>();
    private final Map<String, Set<PartReader>> open = new HashMap<>();
    private final Map<String, String> dropped = new LinkedHashMap<>();
    private final Map<Integer, Set<String>> absent = new HashMap<>();
    private final boolean[] here;
    private JoinPlan plan;
    private int left;
    private @Nullable RuntimeException failure;

    /** @param connections most readers of one source */
    Pulls(JoinPlan plan, int connections) {
        this.plan = plan;
        this.connections = connections;
        this.here = new boolean[plan.parts().size()];
        this.left = here.length;
        for (int part = 0; part < here.length; part++) {
            enqueue(part);
        }
    }

    /** What the replication has to do next. */
    sealed interface Next {
        /** A reader of this source is to be started; it counts as running. */
        record Read(Membership.Host source) implements Next {}

        /** These parts no host can give any more, and nothing else is going on with them. */
        record WithoutSource(List<Integer> parts) implements Next {}

        /** Everything is here. */
        record Done() implements Next {}
    }

    /** Waits for something to do. */
    Next next() throws InterruptedException {
        lock.lock();
        try {
            while (true) {
                if (failure != null) {
                    throw failure;
                }
                var next = nextNow();
                if (next != null) {
                    return next;
                }
                changed.await();
            }
        } finally {
            lock.unlock();
        }
    }

    private @Nullable Next nextNow() {
        if (left == 0) {
            return new Next.Done();
        }
        if (!withoutSource.isEmpty()) {
            var parts = List.copyOf(withoutSource);
            withoutSource.clear();
            return new Next.WithoutSource(parts);
        }
        for (var entry : queues.entrySet()) {
            int running = readers.getOrDefault(entry.getKey(), 0);
            if (!entry.getValue().isEmpty() && running < connections) {
                readers.merge(entry.getKey(), 1, Integer::sum);
                return new Next.Read(source(entry.getKey(), entry.getValue().first()));
            }
        }
        return null;
    }

    /**
     * The next part to ask a source for. One that has given all it was planned for takes over what a slower one would
     * give last.
     *
     * @return negative if there is none
     */
    int poll(String source) {
        lock.lock();
        try {
            if (dropped.containsKey(source)) {
                return NONE;
            }
            var queue = queues.get(source);
            var part = queue == null ? null : queue.pollFirst();
            return part == null ? takeOver(source) : part;
        } finally {
            lock.unlock();
        }
    }

    private int takeOver(String source) {
        var longest = queues.values().stream().max(Comparator.comparingInt(TreeSet::size));
        if (longest.isEmpty()
                || longest.get().isEmpty()
                || !plan.couldGive(source, longest.get().last())
                || isAbsent(source, longest.get().last())) {
            return NONE;
        }
        return longest.get().removeLast();
    }

    /** @return false if the source was dropped meanwhile */
    boolean opened(String source, PartReader reader) {
        lock.lock();
        try {
            open.computeIfAbsent(source, name -> new HashSet<>()).add(reader);
            return !dropped.containsKey(source);
        } finally {
            lock.unlock();
        }
    }

    void landed(int part) {
        lock.lock();
        try {
            here[part] = true;
            left--;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /** A source does not have this part, for which others are asked; it may have more. */
    void absent(String source, int part) {
        lock.lock();
        try {
            absent.computeIfAbsent(part, none -> new HashSet<>()).add(source);
            enqueue(part);
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /** Whether another source that was not dropped holds a part. */
    boolean isHeldElsewhere(String source, int part) {
        lock.lock();
        try {
            return plan.isHeldElsewhere(source, part);
        } finally {
            lock.unlock();
        }
    }

    private boolean isAbsent(String source, int part) {
        return absent.getOrDefault(part, Set.of()).contains(source);
    }

    /**
     * Asks a source for nothing any more, and others for what it was to give.
     *
     * @return whether it was still being asked
     */
    boolean drop(String source, String reason) {
        lock.lock();
        try {
            if (dropped.putIfAbsent(source, reason) != null) {
                return false;
            }
            plan = plan.without(source, part -> here[part]);
            var queue = queues.remove(source);
            if (queue != null) {
                queue.forEach(this::enqueue);
            }
            open.getOrDefault(source, Set.of()).forEach(PartReader::abandon);
            changed.signalAll();
            return true;
        } finally {
            lock.unlock();
        }
    }

    /** A reader has ended, and writes to none of the parts any more that it had asked for. */
    void ended(String source, @Nullable PartReader reader, Collection<Integer> asked) {
        lock.lock();
        try {
            readers.merge(source, -1, Integer::sum);
            open.getOrDefault(source, new HashSet<>()).remove(reader);
            asked.forEach(this::enqueue);
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /**
     * Takes parts out that no source was asked for yet. The caller brings each of them, see {@link #landed}, or gives it
     * back.
     */
    List<Integer> reserve(IntPredicate wanted) {
        lock.lock();
        try {
            var reserved = new TreeSet<Integer>();
            for (var queue : queues.values()) {
                queue.stream().filter(wanted::test).forEach(reserved::add);
                queue.removeAll(reserved);
            }
            return List.copyOf(reserved);
        } finally {
            lock.unlock();
        }
    }

    /** Parts that were reserved do not come: sources are asked for them. */
    void giveBack(Collection<Integer> parts) {
        lock.lock();
        try {
            parts.forEach(this::enqueue);
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /** Ends the replication. */
    void fail(RuntimeException reason) {
        lock.lock();
        try {
            if (failure == null) {
                failure = reason;
            }
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /** Why sources were dropped, one after the other. */
    List<String> reasons() {
        lock.lock();
        try {
            var reasons = new ArrayList<String>();
            dropped.forEach((source, reason) -> reasons.add(source + ": " + reason));
            return reasons;
        } finally {
            lock.unlock();
        }
    }

    private void enqueue(int part) {
        giver(part)
                .ifPresentOrElse(
                        host -> queues.computeIfAbsent(host.name(), name -> new TreeSet<>())
                                .add(part),
                        () -> withoutSource.add(part));
    }

    private Optional<Membership.Host> giver(int part) {
        return absent.containsKey(part)
                ? plan.candidates(part).stream()
                        .filter(host -> !isAbsent(host.name(), part))
                        .findFirst()
                : plan.giver(part);
    }

    private Membership.Host source(String name, int part) {
        return plan.candidates(part).stream()
                .filter(host -> host.name().equals(name))
                .findFirst()
                .orElseThrow();
    }
}
