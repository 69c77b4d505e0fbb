package dev.inflight.coordinator;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.testkit.typed.javadsl.TestProbe;
import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.javadsl.Behaviors;
import dev.inflight.coordinator.canary.CheckResult;
import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.ledger.LedgerEntry;
import dev.inflight.coordinator.ledger.LedgerEvent;
import dev.inflight.coordinator.ledger.LedgerRecord;
import dev.inflight.coordinator.ledger.LedgerState;
import dev.inflight.coordinator.ledger.LedgerWriter;
import dev.inflight.coordinator.ledger.Receipt;
import dev.inflight.coordinator.metrics.CoordinatorMetrics;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.protocol.cluster.TrainerCommand;
import dev.inflight.protocol.cluster.Wire;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * The real coordinator, which takes over on a node that has been up for long, without a cluster: a test is its ledger and
 * tells it of its fleet.
 */
final class LoneCoordinator {
    private static final Surroundings SETTLED = new Surroundings() {
        @Override
        public boolean reachesMajority(ActorSystem<?> system) {
            return true;
        }

        @Override
        public boolean isSettled(ActorSystem<?> system) {
            return true;
        }
    };

    private final ActorTestKit kit;
    private final ActorRef<Wire> ref;
    private final TestProbe<LedgerWriter.Command> ledger;
    private final TestProbe<ActorRef<Fleet>> listeners;
    private final TestProbe<ActorRef<LedgerEvent>> writers;
    private final ActorRef<Fleet> listener;
    private final ActorRef<LedgerEvent> kept;

    /**
     * @param settings as overrides of reference.conf
     * @param entries that coordinators before it left
     */
    LoneCoordinator(ActorTestKit kit, String settings, LedgerEntry... entries) {
        this.kit = kit;
        this.ledger = kit.createTestProbe();
        this.listeners = kit.createTestProbe();
        this.writers = kit.createTestProbe();
        List<LedgerRecord> records = new ArrayList<>();
        for (LedgerEntry entry : entries) {
            records.add(new LedgerRecord(1, records.size() + 1, entry));
        }
        Companions companions = new Companions(
                fleets -> {
                    listeners.getRef().tell(fleets);
                    return Behaviors.ignore();
                },
                events -> Behaviors.setup(context -> {
                    writers.getRef().tell(events);
                    events.tell(new LedgerEvent.Recovered(LedgerState.of(records)));
                    return Behaviors.receiveMessage(command -> {
                        ledger.getRef().tell(command);
                        return Behaviors.same();
                    });
                }),
                SETTLED,
                check -> CompletableFuture.completedFuture(CheckResult.PASSED));
        this.ref = kit.spawn(UpdateCoordinator.create(
                TestFleet.settings(settings),
                System::nanoTime,
                InstantSource.system(),
                companions,
                new CoordinatorMetrics()));
        this.kept = writers.receiveMessage();
        this.listener = listeners.receiveMessage();
    }

    /** As a fleet monitor would. */
    void tell(Fleet fleet) {
        listener.tell(fleet);
    }

    /** Its next entry that is of a kind, with what it wants to be told when that is durable. */
    LedgerWriter.Write written(Class<? extends LedgerEntry> kind) {
        while (true) {
            if (ledger.receiveMessage(Duration.ofSeconds(5)) instanceof LedgerWriter.Write write
                    && kind.isInstance(write.entry())) {
                return write;
            }
        }
    }

    /** Its next question what became of an operation. */
    LedgerWriter.TellOperation asked() {
        while (true) {
            if (ledger.receiveMessage(Duration.ofSeconds(5)) instanceof LedgerWriter.TellOperation asked) {
                return asked;
            }
        }
    }

    /** What was written with this is on a majority's disks. */
    void kept(@Nullable Receipt receipt) {
        if (receipt != null) {
            kept.tell(new LedgerEvent.Kept(receipt, true));
        }
    }

    /** No majority has said in time that it has what was written with this. */
    void overdue(@Nullable Receipt receipt) {
        kept.tell(new LedgerEvent.Kept(Objects.requireNonNull(receipt), false));
    }

    /** Where its answers to a command come. */
    TestProbe<OperationReply> send(Function<ActorRef<OperationReply>, TrainerCommand> command) {
        TestProbe<OperationReply> answers = kit.createTestProbe();
        ref.tell(command.apply(answers.getRef()));
        return answers;
    }

    OperationReply ask(Function<ActorRef<OperationReply>, TrainerCommand> command) {
        return send(command).receiveMessage(Duration.ofSeconds(5));
    }

    /** Waits until an operation that it knows of is in a phase. */
    void awaitPhase(String id, String phase) {
        kit.createTestProbe().awaitAssert(Duration.ofSeconds(10), Duration.ofMillis(20), () -> {
            OperationReply reply = ask(replyTo -> new TrainerCommand.GetOperation(id, replyTo));
            if (!(reply instanceof OperationReply.Operation operation
                    && operation.phase().equals(phase))) {
                throw new AssertionError(reply);
            }
            return reply;
        });
    }
}
