package dev.inflight.coordinator.fleet;

import java.util.ArrayDeque;
import java.util.Collection;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/**
 * Which hosts each running join was pointed at, so that later joins spread over the others. Says it before the hosts'
 * own reports do. Shared by the coordinator and its sessions; thread-safe.
 */
public final class JoinSources {
    private record Pull(String receiver, String checkpoint, Set<String> sources) {}

    private final Map<String, Pull> pulls = new HashMap<>();

    /**
     * A join takes shards to host {@code receiver} from {@code sources}.
     *
     * @param checkpoint digest of the checkpoint
     */
    public synchronized void point(String join, String receiver, String checkpoint, Collection<String> sources) {
        pulls.put(join, new Pull(receiver, checkpoint, Set.copyOf(sources)));
    }

    /** Whether another join than this one brings a checkpoint's shards to a host, which may not have said so yet. */
    public synchronized boolean brings(String join, String checkpoint, String host) {
        return pulls.entrySet().stream()
                .filter(other -> !other.getKey().equals(join))
                .map(Map.Entry::getValue)
                .anyMatch(pull ->
                        pull.receiver().equals(host) && pull.checkpoint().equals(checkpoint));
    }

    /** How many joins, this one left out, were pointed at a host. */
    public synchronized int uploads(String join, String host) {
        return (int) pulls.entrySet().stream()
                .filter(other -> !other.getKey().equals(join))
                .filter(other -> other.getValue().sources().contains(host))
                .count();
    }

    /** Whether running joins take shards from {@code source} to {@code receiver}, also by way of other hosts. */
    public synchronized boolean takes(String receiver, String source) {
        Set<String> reached = new HashSet<>(Set.of(receiver));
        Deque<String> next = new ArrayDeque<>(reached);
        while (!next.isEmpty()) {
            String host = next.remove();
            for (Pull pull : pulls.values()) {
                if (pull.receiver().equals(host)) {
                    pull.sources().stream().filter(reached::add).forEach(next::add);
                }
            }
        }
        return !receiver.equals(source) && reached.contains(source);
    }

    public synchronized void release(String join) {
        pulls.remove(join);
    }
}
