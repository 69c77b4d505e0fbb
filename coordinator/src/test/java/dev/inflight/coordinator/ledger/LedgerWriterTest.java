package dev.inflight.coordinator.ledger;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.testkit.typed.javadsl.TestProbe;
import akka.actor.typed.ActorRef;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.receptionist.Receptionist;
import com.typesafe.config.ConfigFactory;
import dev.inflight.coordinator.ledger.LedgerCodec.DamagedException;
import dev.inflight.coordinator.ledger.ReplicaCommand.Append;
import dev.inflight.coordinator.ledger.ReplicaCommand.Promise;
import dev.inflight.coordinator.ledger.ReplicaCommand.Read;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.protocol.cluster.OperationReply.Operation;
import dev.inflight.protocol.cluster.OperationReply.Refused;
import dev.inflight.protocol.cluster.TrainerCommand.GetOperation;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Two replicas, one of which writes nothing: what the writer says of entries that no majority has. */
class LedgerWriterTest {
    private final ActorTestKit kit =
            ActorTestKit.create("inflight", ConfigFactory.parseString("""
            akka.actor.provider = cluster
            akka.remote.artery.canonical { hostname = "127.0.0.1", port = 0 }
            akka.cluster.jmx.multi-mbeans-in-same-jvm = on
            akka.coordinated-shutdown { exit-jvm = off, run-by-actor-system-terminate = off }
            akka.loglevel = ERROR
            """).withFallback(ConfigFactory.load()));

    private static final Duration APPEND_TIMEOUT = Duration.ofSeconds(1);
    private static final Receipt FIRST = new Receipt.CanaryMove("canary-1", 1);
    private static final Receipt SECOND = new Receipt.CanaryMove("canary-1", 2);

    private final TestProbe<LedgerEvent> events = kit.createTestProbe();
    private final TestProbe<Append> stuck = kit.createTestProbe();

    @AfterEach
    void stop() {
        kit.shutdownTestKit();
    }

    @Test
    void saysWhetherAMajorityHasAnEntry() throws DamagedException {
        ActorRef<LedgerWriter.Command> writer = writerWithAStuckReplica();
        LedgerEntry holding = Entries.moved("canary-1", LedgerEntry.CanaryPhase.HOLDING);
        LedgerEntry promoting = Entries.moved("canary-1", LedgerEntry.CanaryPhase.PROMOTING);
        long asked = System.nanoTime();
        writer.tell(new LedgerWriter.Write(holding, FIRST));
        events.expectMessage(Duration.ofSeconds(5), new LedgerEvent.Kept(FIRST, false));
        assertThat(Duration.ofNanos(System.nanoTime() - asked)).isGreaterThanOrEqualTo(APPEND_TIMEOUT);

        catchUp(holding);
        writer.tell(new LedgerWriter.Write(promoting, SECOND));
        catchUp(promoting);
        events.expectMessage(new LedgerEvent.Kept(SECOND, true));
    }

    @Test
    void tellsDurablyOnlyWhatAMajorityHas() throws DamagedException {
        ActorRef<LedgerWriter.Command> writer = writerWithAStuckReplica();
        TestProbe<OperationReply> answers = kit.createTestProbe();
        GetOperation query = new GetOperation("update-1", answers.getRef());
        LedgerEntry started = Entries.started("update-1", "v1", null);
        writer.tell(new LedgerWriter.Write(started, null));

        writer.tell(new LedgerWriter.TellOperation(query, false));
        assertThat(answers.expectMessageClass(Operation.class).id()).isEqualTo("update-1");

        writer.tell(new LedgerWriter.TellOperation(query, true));
        Refused doubt = answers.expectMessageClass(Refused.class, Duration.ofSeconds(5));
        assertThat(doubt.code()).isEqualTo(Refused.Code.UNAVAILABLE);
        assertThat(doubt.message()).contains("update-1", "no majority");

        catchUp(started);
        writer.tell(new LedgerWriter.TellOperation(query, true));
        assertThat(answers.expectMessageClass(Operation.class, Duration.ofSeconds(5))
                        .id())
                .isEqualTo("update-1");

        writer.tell(new LedgerWriter.TellOperation(new GetOperation("update-2", answers.getRef()), true));
        assertThat(answers.expectMessageClass(Refused.class).code()).isEqualTo(Refused.Code.NOT_FOUND);
    }

    private ActorRef<LedgerWriter.Command> writerWithAStuckReplica() {
        replica("well", true);
        replica("stuck", false);
        ActorRef<LedgerWriter.Command> writer = kit.spawn(LedgerWriter.create(
                new LedgerSettings(100, Duration.ofMillis(500), APPEND_TIMEOUT),
                "coordinator",
                events.getRef(),
                System::nanoTime,
                InstantSource.system()));
        events.expectMessageClass(LedgerEvent.Recovered.class, Duration.ofSeconds(10));
        // It counts from when it is sent something; the other one may have promised first.
        stuck.getRef().tell(stuck.receiveMessage(Duration.ofSeconds(10)));
        return writer;
    }

    /** Before the entries of the tests, one or two say which replicas there are. */
    private void catchUp(LedgerEntry entry) throws DamagedException {
        Append append;
        do {
            append = stuck.receiveMessage();
            append.replyTo()
                    .tell(new ReplicaEvent.Appended("stuck", last(append).position()));
        } while (!last(append).entry().equals(entry));
    }

    private static LedgerRecord last(Append append) throws DamagedException {
        return LedgerCodec.read(append.lines().getLast());
    }

    /** @param writes otherwise the test answers for it */
    private void replica(String id, boolean writes) {
        ActorRef<ReplicaCommand> ref = kit.spawn(Behaviors.receiveMessage(command -> {
            switch (command) {
                case Promise promise ->
                    promise.replyTo().tell(new ReplicaEvent.Promised(id, promise.term(), Position.NONE));
                case Read read -> read.replyTo().tell(new ReplicaEvent.Page(id, List.of(), false));
                case Append append -> {
                    if (writes) {
                        append.replyTo()
                                .tell(new ReplicaEvent.Appended(id, last(append).position()));
                    } else {
                        stuck.getRef().tell(append);
                    }
                }
            }
            return Behaviors.same();
        }));
        kit.system().receptionist().tell(Receptionist.register(ReplicaCommand.KEY, ref));
    }
}
