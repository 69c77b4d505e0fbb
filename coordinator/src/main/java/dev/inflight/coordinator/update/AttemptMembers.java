package dev.inflight.coordinator.update;

import java.util.Collection;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * Who takes part in an attempt, and who does so no longer. A member is lost once the cluster says that it is gone. It is
 * dropped where the others go on without it, which they can if it is expendable, a receiver that no other member needs,
 * or replaceable, an owner that others can stand in for. An owner may also live and be missed by a single receiver,
 * because the way between these two is gone.
 */
final class AttemptMembers {
    private final SortedSet<String> all;
    private final SortedSet<String> receivers;
    private final SortedMap<String, String> expendable;
    private final SortedSet<String> replaceable;
    private final SortedSet<String> lost = new TreeSet<>();
    private final SortedMap<String, String> dropped = new TreeMap<>();
    private final SortedMap<String, Set<String>> missed = new TreeMap<>();

    /**
     * @param expendable by worker the id of its engine
     * @throws IllegalArgumentException if nobody receives, or one that is no member
     */
    AttemptMembers(
            Collection<String> all,
            Collection<String> receivers,
            Map<String, String> expendable,
            Collection<String> replaceable) {
        this.all = new TreeSet<>(all);
        this.receivers = new TreeSet<>(receivers);
        this.expendable = new TreeMap<>(expendable);
        this.replaceable = new TreeSet<>(replaceable);
        if (this.receivers.isEmpty() || !this.all.containsAll(this.receivers)) {
            throw new IllegalArgumentException("receivers " + receivers + " must be some of members " + all);
        }
    }

    /** Takes in that a member is gone; false if that is known, or of no importance any more. */
    boolean lose(String worker) {
        return all.contains(worker) && !dropped.containsKey(worker) && lost.add(worker);
    }

    /** Goes on without a member, whether it lives or not. */
    void drop(String worker, String why) {
        dropped.put(worker, why);
        missed.remove(worker);
    }

    /** Goes on without what a worker would have had from an owner. */
    void miss(String worker, String owner) {
        missed.computeIfAbsent(worker, first -> new TreeSet<>()).add(owner);
    }

    /** Whether one can be dropped. The last that takes anything can not: nothing would be left to commit. */
    boolean canSpare(String worker) {
        return (expendable.containsKey(worker) || replaceable.contains(worker))
                && !dropped.containsKey(worker)
                && takers().stream().anyMatch(taker -> !taker.equals(worker));
    }

    boolean contains(String worker) {
        return all.contains(worker);
    }

    boolean isReceiver(String worker) {
        return receivers.contains(worker);
    }

    boolean isReplaceable(String worker) {
        return replaceable.contains(worker);
    }

    boolean isDropped(String worker) {
        return dropped.containsKey(worker);
    }

    /** Whether a suspect is the engine of this worker, which is expendable. */
    boolean isEngineOf(String worker, @Nullable String suspect) {
        return suspect != null && suspect.equals(expendable.get(worker));
    }

    /** Whether they can go on without some of the owners. */
    boolean outliveOwners() {
        return !replaceable.isEmpty();
    }

    /** Those that it began with. */
    SortedSet<String> all() {
        return all;
    }

    /** Those that it began with. */
    SortedSet<String> receivers() {
        return receivers;
    }

    /** Members that were not dropped. */
    SortedSet<String> active() {
        return without(dropped.keySet(), all);
    }

    /** Of these, those that were not lost. */
    SortedSet<String> alive() {
        return without(lost, active());
    }

    /** Receivers that were not dropped. */
    SortedSet<String> takers() {
        return without(dropped.keySet(), receivers);
    }

    /** Why each of those was dropped that were. */
    SortedMap<String, String> dropped() {
        return dropped;
    }

    /** Owners that were dropped or that some receiver misses. */
    SortedSet<String> lostOwners() {
        Set<String> bySome = new TreeSet<>();
        missed.values().forEach(bySome::addAll);
        return droppedOr(bySome);
    }

    /** Those of them that a worker takes nothing more from. */
    SortedSet<String> lostTo(String worker) {
        return droppedOr(missed.getOrDefault(worker, Set.of()));
    }

    private SortedSet<String> droppedOr(Set<String> missedOwners) {
        SortedSet<String> owners = new TreeSet<>(dropped.keySet());
        owners.addAll(missedOwners);
        owners.retainAll(replaceable);
        return owners;
    }

    static SortedSet<String> without(Set<String> some, SortedSet<String> all) {
        SortedSet<String> rest = new TreeSet<>(all);
        rest.removeAll(some);
        return rest;
    }
}
