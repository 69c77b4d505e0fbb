package dev.inflight.coordinator.ledger;

import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.actor.typed.javadsl.AbstractBehavior;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.javadsl.Receive;
import java.time.Duration;
import java.util.Collection;
import java.util.HashSet;
import java.util.Set;

/**
 * Asks the replicas once whether they still obey a coordinator and says so when a majority does. Whoever is to decide
 * next must have the promise of so many that one of these is among them, and from that promise on this one says no more:
 * so of two coordinators, for example on both sides of a cut, one at most is told yes.
 */
final class TermCheck extends AbstractBehavior<TermCheck.Event> {
    /** What it hears. */
    sealed interface Event {}

    private record Answered(ReplicaEvent event) implements Event {}

    private enum Overdue implements Event {
        INSTANCE
    }

    /** A coordinator's. */
    record Term(long number, String writer) {}

    private final Term term;
    private final Set<String> voters;
    private final Runnable confirmed;
    private final Set<String> obeying = new HashSet<>();

    private TermCheck(ActorContext<Event> context, Term term, Set<String> voters, Runnable confirmed) {
        super(context);
        this.term = term;
        this.voters = voters;
        this.confirmed = confirmed;
    }

    /**
     * @param voters ids of the replicas that count
     * @param replicas those that can be asked
     * @param limit after which it gives up without a word
     * @param confirmed run once, when a majority of the voters has said yes
     */
    static Behavior<Event> create(
            Term term,
            Set<String> voters,
            Collection<ActorRef<ReplicaCommand>> replicas,
            Duration limit,
            Runnable confirmed) {
        return Behaviors.setup(context -> Behaviors.withTimers(timers -> {
            timers.startSingleTimer(Overdue.INSTANCE, limit);
            ActorRef<ReplicaEvent> answers = context.messageAdapter(ReplicaEvent.class, Answered::new);
            replicas.forEach(
                    replica -> replica.tell(new ReplicaCommand.Promise(term.number(), term.writer(), answers)));
            return new TermCheck(context, term, Set.copyOf(voters), confirmed);
        }));
    }

    @Override
    public Receive<Event> createReceive() {
        return newReceiveBuilder()
                .onMessage(Answered.class, this::onAnswered)
                .onMessage(Overdue.class, overdue -> Behaviors.stopped())
                .build();
    }

    private Behavior<Event> onAnswered(Answered answered) {
        if (answered.event() instanceof ReplicaEvent.Promised promised
                && promised.term() == term.number()
                && voters.contains(promised.replica())) {
            obeying.add(promised.replica());
        }
        if (obeying.size() < Quorum.toKeep(voters)) {
            return this;
        }
        confirmed.run();
        return Behaviors.stopped();
    }
}
