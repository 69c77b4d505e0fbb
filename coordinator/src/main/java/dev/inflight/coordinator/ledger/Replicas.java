package dev.inflight.coordinator.ledger;

import akka.actor.typed.ActorRef;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * The replicas of the ledger as a coordinator knows them: who they are, what they have, and what they are sent next.
 * Decisions only; times are in nanoseconds of one clock.
 */
final class Replicas {
    /** After this long without an answer a message counts as lost. */
    private static final long RESEND_NANOS = 1_000_000_000;

    /** What one replica is known to have. */
    static final class Replica {
        private final ActorRef<ReplicaCommand> ref;
        private final ActorRef<ReplicaEvent> answers;
        private @Nullable String id;
        private Position last = Position.NONE;
        private boolean asked;
        private long askedNanos;

        private Replica(ActorRef<ReplicaCommand> ref, ActorRef<ReplicaEvent> answers) {
            this.ref = ref;
            this.answers = answers;
        }

        ActorRef<ReplicaCommand> ref() {
            return ref;
        }

        /** Where it answers to: its answers do not say which actor sent them. */
        ActorRef<ReplicaEvent> answers() {
            return answers;
        }

        /** Null until it has promised. */
        @Nullable
        String id() {
            return id;
        }

        Position last() {
            return last;
        }

        /** Whether an answer is awaited. */
        boolean isAsked(long now) {
            return asked && now - askedNanos < RESEND_NANOS;
        }

        void asked(long now) {
            asked = true;
            askedNanos = now;
        }

        void answered() {
            asked = false;
        }

        void promised(String replica, Position position) {
            id = replica;
            last = position;
            asked = false;
        }

        void has(Position position) {
            last = position;
            asked = false;
        }
    }

    private final Map<ActorRef<ReplicaCommand>, Replica> replicas = new HashMap<>();

    /**
     * Takes in which replicas there are.
     *
     * @param answers makes the actor that a new one answers to
     * @return those that are gone
     */
    List<Replica> listed(
            Set<ActorRef<ReplicaCommand>> listed, Function<ActorRef<ReplicaCommand>, ActorRef<ReplicaEvent>> answers) {
        List<Replica> gone = replicas.values().stream()
                .filter(replica -> !listed.contains(replica.ref))
                .toList();
        gone.forEach(replica -> replicas.remove(replica.ref));
        listed.forEach(ref -> replicas.computeIfAbsent(ref, added -> new Replica(added, answers.apply(added))));
        return gone;
    }

    @Nullable
    Replica find(ActorRef<ReplicaCommand> ref) {
        return replicas.get(ref);
    }

    Collection<Replica> all() {
        return List.copyOf(replicas.values());
    }

    /** Another term begins: who promised the former must promise again. */
    void forgetPromises() {
        replicas.values().forEach(replica -> {
            replica.id = null;
            replica.asked = false;
        });
    }

    /** Those that have promised. */
    List<Replica> promised() {
        return replicas.values().stream().filter(replica -> replica.id != null).toList();
    }

    Set<String> ids() {
        Set<String> ids = new TreeSet<>();
        replicas.values().forEach(replica -> {
            if (replica.id != null) {
                ids.add(replica.id);
            }
        });
        return ids;
    }

    /** The one that knows most; null if none has promised. */
    @Nullable
    Replica best() {
        Replica best = null;
        for (Replica replica : replicas.values()) {
            if (replica.id != null && (best == null || replica.last.compareTo(best.last) > 0)) {
                best = replica;
            }
        }
        return best;
    }

    /** The last record that a majority of these has on its disk. */
    long durable(Set<String> voters, List<LedgerRecord> records) {
        List<Long> reached = new ArrayList<>();
        for (Replica replica : replicas.values()) {
            if (replica.id != null && voters.contains(replica.id) && contains(records, replica.last)) {
                reached.add(replica.last.sequence());
            }
        }
        return Quorum.durable(voters, reached);
    }

    /** How many have this record on their disks. */
    long having(long sequence, List<LedgerRecord> records) {
        return replicas.values().stream()
                .filter(replica -> replica.last.sequence() >= sequence && contains(records, replica.last))
                .count();
    }

    /** Whether a ledger has a record at this very position, looked for from its end. */
    static boolean contains(List<LedgerRecord> records, Position position) {
        for (int i = records.size() - 1; i >= 0; i--) {
            LedgerRecord record = records.get(i);
            if (record.sequence() <= position.sequence()) {
                return record.position().equals(position);
            }
        }
        return false;
    }
}
