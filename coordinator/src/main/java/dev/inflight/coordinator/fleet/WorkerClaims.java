package dev.inflight.coordinator.fleet;

import java.util.Collection;
import java.util.HashMap;
import java.util.Map;

/**
 * Which running update each worker takes part in; a worker takes part in one at a time. Says it before the workers' own
 * reports do. Shared by the coordinator and its sessions; thread-safe.
 */
public final class WorkerClaims {
    private final Map<String, String> updates = new HashMap<>();

    /** Workers that other updates than this one have claimed, with those updates' ids. */
    public synchronized Map<String, String> ofOthers(String update) {
        Map<String, String> others = new HashMap<>(updates);
        others.values().removeIf(update::equals);
        return others;
    }

    /** Claims all of these workers or, if another update has one of them, none. */
    public synchronized boolean claim(String update, Collection<String> workers) {
        for (String worker : workers) {
            if (!updates.getOrDefault(worker, update).equals(update)) {
                return false;
            }
        }
        workers.forEach(worker -> updates.put(worker, update));
        return true;
    }

    /** Frees what an update has claimed. */
    public synchronized void release(String update) {
        updates.values().removeIf(update::equals);
    }
}
