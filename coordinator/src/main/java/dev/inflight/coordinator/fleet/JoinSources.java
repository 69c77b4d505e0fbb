package dev.inflight.coordinator.fleet;

import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;

/**
 * Which hosts each running join was pointed at, so that later joins spread over the others. Says it before the hosts'
 * own reports do. Shared by the coordinator and its sessions; thread-safe.
 */
public final class JoinSources {
    private record Pull(String receiver, Set<String> sources) {}

    private final Map<String, Pull> pulls = new HashMap<>();

    /** A join takes shards to host {@code receiver} from {@code sources}. */
    public synchronized void point(String join, String receiver, Collection<String> sources) {
        pulls.put(join, new Pull(receiver, Set.copyOf(sources)));
    }

    /** How many joins, this one left out, were pointed at a host. */
    public synchronized int uploads(String join, String host) {
        return (int) pulls.entrySet().stream()
                .filter(other -> !other.getKey().equals(join))
                .filter(other -> other.getValue().sources().contains(host))
                .count();
    }

    /** Whether a running join takes shards from {@code source} to {@code receiver}. */
    public synchronized boolean takes(String receiver, String source) {
        return pulls.values().stream()
                .anyMatch(pull ->
                        pull.receiver().equals(receiver) && pull.sources().contains(source));
    }

    public synchronized void release(String join) {
        pulls.remove(join);
    }
}
