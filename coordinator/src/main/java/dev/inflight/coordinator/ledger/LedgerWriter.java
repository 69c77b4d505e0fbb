package dev.inflight.coordinator.ledger;

import akka.actor.Address;
import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.actor.typed.javadsl.AbstractBehavior;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.javadsl.Receive;
import akka.actor.typed.javadsl.TimerScheduler;
import akka.actor.typed.receptionist.Receptionist;
import akka.cluster.Member;
import akka.cluster.MemberStatus;
import akka.cluster.typed.Cluster;
import dev.inflight.coordinator.ledger.LedgerCodec.DamagedException;
import dev.inflight.coordinator.ledger.LedgerEntry.ReplicasChanged;
import dev.inflight.coordinator.ledger.Replicas.Replica;
import dev.inflight.coordinator.operation.CoordinatorQuery.GetHistory;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.protocol.cluster.OperationReply.Refused;
import dev.inflight.protocol.cluster.OperationReply.Refused.Code;
import dev.inflight.protocol.cluster.TrainerCommand.GetOperation;
import java.time.Duration;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.UUID;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * A coordinator's hand on the ledger. It begins a term: makes the replicas promise to take nothing of an earlier one,
 * reads what the best of them has, and from then on appends to all of them. What a majority has is found by whichever
 * coordinator comes next. Fails if a later term has begun, so that its coordinator fails too.
 */
public final class LedgerWriter extends AbstractBehavior<LedgerWriter.Command> {
    /** What the ledger hears. */
    public sealed interface Command {}

    /**
     * Takes an entry.
     *
     * @param receipt to be told of in {@link LedgerEvent.Kept}; null if nobody waits
     */
    public record Write(LedgerEntry entry, @Nullable Receipt receipt) implements Command {}

    /**
     * Asks whether this coordinator still is the one that decides. Answered once a majority of the replicas has said, after
     * it was asked, that they obey no later one; otherwise not at all.
     */
    public record Confirm(long epoch, ActorRef<Confirmed> replyTo) implements Command {}

    /** It does. */
    public record Confirmed(long epoch) {}

    /** Asks for past operations. */
    public record Tell(GetHistory query) implements Command {}

    /**
     * Asks what became of an operation.
     *
     * @param durably whether to answer only once a majority has what is told, and to refuse if none has it in time
     */
    public record TellOperation(GetOperation query, boolean durably) implements Command {}

    private record Listed(Set<ActorRef<ReplicaCommand>> replicas) implements Command {}

    private record Answered(ActorRef<ReplicaCommand> ref, ReplicaEvent event) implements Command {}

    private enum Tick implements Command {
        AGAIN,
        RECOVERY_OVER
    }

    /** How often it looks whether somebody has waited for too long. */
    static final Duration AGAIN = Duration.ofMillis(250);

    /** The two sides of a cut notice it and decide at most so far apart, down-removal-margin left out. */
    private static final Duration UNTIL_DOWNED = Duration.ofSeconds(2);

    private final LedgerSettings settings;
    private final String role;
    private final ActorRef<LedgerEvent> coordinator;
    private final LongSupplier nanoTime;
    private final InstantSource wallClock;
    private final String writer = UUID.randomUUID().toString();
    private final Replicas replicas = new Replicas();
    private final Awaited awaited = new Awaited();
    private List<LedgerRecord> records = new ArrayList<>();
    private Set<String> voters = Set.of();
    private long term;
    private @Nullable Replica reading;
    private boolean read;
    private boolean recoveryOver;
    private boolean recovered;
    private boolean troubled;

    private LedgerWriter(
            ActorContext<Command> context,
            TimerScheduler<Command> timers,
            LedgerSettings settings,
            String role,
            ActorRef<LedgerEvent> coordinator,
            LongSupplier nanoTime,
            InstantSource wallClock) {
        super(context);
        this.settings = settings;
        this.role = role;
        this.coordinator = coordinator;
        this.nanoTime = nanoTime;
        this.wallClock = wallClock;
        this.term = wallClock.millis();
        context.getSystem()
                .receptionist()
                .tell(Receptionist.subscribe(
                        ReplicaCommand.KEY,
                        context.messageAdapter(
                                Receptionist.Listing.class,
                                // Those out of reach count until their nodes are removed.
                                listing -> new Listed(listing.getAllServiceInstances(ReplicaCommand.KEY)))));
        timers.startTimerWithFixedDelay(Tick.AGAIN, AGAIN);
        Duration up = Duration.ofSeconds(context.getSystem().uptime());
        timers.startSingleTimer(Tick.RECOVERY_OVER, recoveryWait(settings.recoveryTimeout(), up));
    }

    /**
     * How long to wait for replicas that are missing. A node that has been up for the whole time has waited already: who
     * is missing is gone rather than late. But if it is cut off, it takes a moment longer to be downed.
     */
    static Duration recoveryWait(Duration timeout, Duration up) {
        Duration left = timeout.minus(up);
        Duration least = timeout.compareTo(UNTIL_DOWNED) < 0 ? timeout : UNTIL_DOWNED;
        return left.compareTo(least) < 0 ? least : left;
    }

    /**
     * @param role cluster role of the nodes that have a replica
     * @param coordinator hears of {@link LedgerEvent}s
     * @param nanoTime the clock that measures, in nanoseconds
     * @param wallClock the clock that terms and entries follow
     */
    public static Behavior<Command> create(
            LedgerSettings settings,
            String role,
            ActorRef<LedgerEvent> coordinator,
            LongSupplier nanoTime,
            InstantSource wallClock) {
        return Behaviors.setup(context -> Behaviors.withTimers(
                timers -> new LedgerWriter(context, timers, settings, role, coordinator, nanoTime, wallClock)));
    }

    @Override
    public Receive<Command> createReceive() {
        return newReceiveBuilder()
                .onMessage(Write.class, this::onWrite)
                .onMessage(Confirm.class, this::onConfirm)
                .onMessage(Tell.class, this::onTell)
                .onMessage(TellOperation.class, this::onTellOperation)
                .onMessage(Listed.class, this::onListed)
                .onMessage(Answered.class, this::onAnswered)
                .onMessage(Tick.class, this::onTick)
                .build();
    }

    private Behavior<Command> onWrite(Write write) {
        append(write.entry(), write.receipt());
        return this;
    }

    private Behavior<Command> onConfirm(Confirm asked) {
        Confirmed answer = new Confirmed(asked.epoch());
        if (voters.size() == 1 && replicas.ids().equals(voters)) {
            // No other node has a promise to give.
            asked.replyTo().tell(answer);
        } else {
            getContext()
                    .spawnAnonymous(TermCheck.create(
                            new TermCheck.Term(term, writer),
                            voters,
                            replicas.promised().stream().map(Replica::ref).toList(),
                            settings.appendTimeout(),
                            () -> asked.replyTo().tell(answer)));
        }
        return this;
    }

    private Behavior<Command> onTell(Tell tell) {
        tell.query().replyTo().tell(History.page(records, tell.query()));
        return this;
    }

    private Behavior<Command> onTellOperation(TellOperation tell) {
        String id = tell.query().id();
        ActorRef<OperationReply> replyTo = tell.query().replyTo();
        History.Found found = History.operation(records, id);
        if (found == null) {
            replyTo.tell(new Refused(Code.NOT_FOUND, "no operation " + id + " is known"));
        } else if (!tell.durably() || isDurable(found)) {
            replyTo.tell(found.operation());
        } else {
            await(durable -> replyTo.tell(isDurable(found) ? found.operation() : Doubt.of(found.operation())));
        }
        return this;
    }

    private boolean isDurable(History.Found found) {
        return found.sequence() <= replicas.durable(voters, records);
    }

    private Behavior<Command> onListed(Listed listed) {
        for (Replica gone : replicas.listed(listed.replicas(), this::answersOf)) {
            getContext().stop(gone.answers());
            if (gone == reading) {
                reading = null;
            }
        }
        if (recovered) {
            changeVoters();
        }
        return proceed();
    }

    private ActorRef<ReplicaEvent> answersOf(ActorRef<ReplicaCommand> replica) {
        ActorRef<Command> self = getContext().getSelf();
        return getContext().spawnAnonymous(Behaviors.receiveMessage(event -> {
            self.tell(new Answered(replica, event));
            return Behaviors.same();
        }));
    }

    private Behavior<Command> onTick(Tick tick) {
        if (tick == Tick.RECOVERY_OVER) {
            recoveryOver = true;
            if (!recovered) {
                getContext()
                        .getLog()
                        .warn(
                                "Only {} of the ledger's replicas have answered: entries that only others have are not"
                                        + " known",
                                replicas.promised().size());
            }
        }
        releaseOverdue();
        return proceed();
    }

    private Behavior<Command> onAnswered(Answered answered) {
        Replica replica = replicas.find(answered.ref());
        if (replica == null) {
            return this;
        }
        switch (answered.event()) {
            case ReplicaEvent.Promised promised -> {
                if (promised.term() == term) {
                    replica.promised(promised.replica(), promised.last());
                    if (recovered) {
                        changeVoters();
                    }
                }
            }
            case ReplicaEvent.Deposed deposed -> onDeposed(deposed);
            case ReplicaEvent.Page page -> onPage(replica, page);
            case ReplicaEvent.Appended appended -> replica.has(appended.last());
            case ReplicaEvent.Behind behind -> replica.has(behind.last());
            case ReplicaEvent.AppendFailed failed ->
                // Tried again when its time without an answer is over.
                getContext().getLog().error("Ledger replica {}: {}", failed.replica(), failed.message());
        }
        return proceed();
    }

    private void onDeposed(ReplicaEvent.Deposed deposed) {
        if (deposed.promised() < term) {
            return;
        }
        if (recovered) {
            throw new IllegalStateException(
                    "deposed: the ledger's term " + deposed.promised() + " has begun after " + term);
        }
        // A clock that was set back, or another coordinator that began at the same moment.
        term = deposed.promised() + 1;
        replicas.forgetPromises();
        reading = null;
        read = false;
        records = new ArrayList<>();
    }

    private Behavior<Command> proceed() {
        for (Replica replica : replicas.all()) {
            if (replica.id() == null) {
                ask(replica, replyTo -> new ReplicaCommand.Promise(term, writer, replyTo));
            } else if (recovered) {
                send(replica);
            }
        }
        if (recovered) {
            releaseDurable();
        } else {
            recover();
        }
        return this;
    }

    private void recover() {
        Replica best = replicas.best();
        if (best == null || !(recoveryOver || allReachableHaveAnswered())) {
            return;
        }
        // One that answered later may know more.
        read &= best.last().compareTo(last()) <= 0;
        if (!read && reading == null) {
            reading = best;
            records = new ArrayList<>();
        }
        if (!read) {
            readOn(reading == null ? best : reading);
        } else if (recoveryOver || Quorum.finds(lastVoters(), replicas.ids())) {
            begin();
        }
    }

    private void readOn(Replica source) {
        long after = last().sequence();
        ask(source, replyTo -> new ReplicaCommand.Read(after, replyTo));
    }

    private void onPage(Replica source, ReplicaEvent.Page page) {
        source.answered();
        if (source != reading) {
            return;
        }
        long after = last().sequence();
        for (String line : page.lines()) {
            LedgerRecord record = read(line);
            if (record.sequence() > after) {
                records.add(record);
            }
        }
        if (!page.more()) {
            reading = null;
            read = true;
        }
    }

    private static LedgerRecord read(String line) {
        try {
            return LedgerCodec.read(line);
        } catch (DamagedException e) {
            throw new IllegalStateException("a ledger record was damaged on its way", e);
        }
    }

    private Set<String> lastVoters() {
        return records.reversed().stream()
                .map(LedgerRecord::entry)
                .filter(ReplicasChanged.class::isInstance)
                .map(entry -> ((ReplicasChanged) entry).replicas())
                .findFirst()
                .orElse(Set.of());
    }

    /** Who is out of reach is no reason to wait: what a majority has, a majority of the others has too. */
    private boolean allReachableHaveAnswered() {
        Cluster cluster = Cluster.get(getContext().getSystem());
        Set<Address> answered = new HashSet<>();
        for (Replica replica : replicas.promised()) {
            Address address = replica.ref().path().address();
            answered.add(address.hasLocalScope() ? cluster.selfMember().address() : address);
        }
        Set<Member> unreachable = cluster.state().getUnreachable();
        for (Member member : cluster.state().getMembers()) {
            if (member.hasRole(role)
                    && member.status().equals(MemberStatus.up())
                    && !unreachable.contains(member)
                    && !answered.contains(member.address())) {
                return false;
            }
        }
        return true;
    }

    private void begin() {
        recovered = true;
        getContext().getLog().info("Ledger of {} entries, term {}, replicas {}", records.size(), term, replicas.ids());
        coordinator.tell(new LedgerEvent.Recovered(LedgerState.of(records)));
        changeVoters();
        replicas.all().forEach(this::send);
    }

    private void changeVoters() {
        Set<String> now = replicas.ids();
        if (!now.isEmpty() && !now.equals(voters)) {
            voters = new TreeSet<>(now);
            append(new ReplicasChanged(now, wallClock.instant().truncatedTo(ChronoUnit.MILLIS)), null);
        }
    }

    private void append(LedgerEntry entry, @Nullable Receipt receipt) {
        long sequence = last().sequence() + 1;
        records.add(new LedgerRecord(term, sequence, entry));
        await(durable -> {
            if (receipt != null) {
                coordinator.tell(new LedgerEvent.Kept(receipt, durable));
            }
        });
        if (Retention.isDue(records.size(), settings.keepEntries())) {
            records = new ArrayList<>(Retention.retain(records, settings.keepEntries()));
        }
        replicas.promised().forEach(this::send);
    }

    /** For all records so far. */
    private void await(Awaited.Release release) {
        awaited.add(last().sequence(), release, nanoTime.getAsLong());
    }

    private Position last() {
        return records.isEmpty() ? Position.NONE : records.getLast().position();
    }

    private void send(Replica replica) {
        Position last = last();
        if (replica.id() == null || replica.last().equals(last)) {
            return;
        }
        boolean known = Replicas.contains(records, replica.last());
        Position previous = known ? replica.last() : Position.NONE;
        List<String> lines = Pages.first(Pages.after(records, known ? previous.sequence() : 0));
        ask(replica, replyTo -> new ReplicaCommand.Append(term, writer, previous, lines, replyTo));
    }

    private interface Question {
        ReplicaCommand with(ActorRef<ReplicaEvent> replyTo);
    }

    private void ask(Replica replica, Question question) {
        long now = nanoTime.getAsLong();
        if (!replica.isAsked(now)) {
            replica.asked(now);
            replica.ref().tell(question.with(replica.answers()));
        }
    }

    private void releaseDurable() {
        long durable = replicas.durable(voters, records);
        awaited.durable(durable);
        if (troubled && durable == last().sequence()) {
            troubled = false;
            getContext().getLog().info("A majority of the ledger's replicas has every entry again");
        }
    }

    /** Updates go on without a majority: an engine's weights matter more than the record of how it got them. */
    private void releaseOverdue() {
        long overdue = awaited.overdue(settings.appendTimeout().toNanos(), nanoTime.getAsLong());
        if (overdue != Awaited.NONE && !troubled) {
            troubled = true;
            getContext()
                    .getLog()
                    .warn(
                            "Ledger entry {} is on {} of {} replicas after {} ms; it may be lost with them",
                            overdue,
                            replicas.having(overdue, records),
                            voters.size(),
                            settings.appendTimeout().toMillis());
        }
    }
}
