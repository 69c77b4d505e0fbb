package dev.inflight.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.testkit.typed.javadsl.TestProbe;
import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.javadsl.Behaviors;
import dev.inflight.coordinator.canary.CheckResult;
import dev.inflight.coordinator.ledger.LedgerEvent;
import dev.inflight.coordinator.ledger.LedgerState;
import dev.inflight.coordinator.metrics.CoordinatorMetrics;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.protocol.cluster.OperationReply.Refused;
import dev.inflight.protocol.cluster.TrainerCommand.Publish;
import dev.inflight.protocol.cluster.TrainerCommand.Rollback;
import dev.inflight.protocol.cluster.TrainerCommand.UpdateWeights;
import dev.inflight.protocol.cluster.TrainerCommand.VerifyModel;
import dev.inflight.protocol.cluster.Wire;
import java.time.InstantSource;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;

/** A coordinator whose node reaches no majority of the members. */
class CutOffCoordinatorTest {
    private static final ActorTestKit KIT = ActorTestKit.create();

    private final AtomicBoolean cutOff = new AtomicBoolean(true);
    private final TestProbe<OperationReply> trainer = KIT.createTestProbe();

    @AfterAll
    static void stop() {
        KIT.shutdownTestKit();
    }

    @Test
    void takesNoCommandUntilItReachesAMajorityAgain() {
        ActorRef<Wire> coordinator = KIT.spawn(UpdateCoordinator.create(
                TestFleet.settings(""), () -> 0L, InstantSource.system(), companions(), new CoordinatorMetrics()));
        List<Wire> commands = List.of(
                new Publish("m", "v", "/files", trainer.getRef()),
                new UpdateWeights("m", "v", null, "auto", null, trainer.getRef()),
                new Rollback("m", "v", null, null, trainer.getRef()),
                new VerifyModel("m", trainer.getRef()));

        for (Wire command : commands) {
            coordinator.tell(command);
            Refused refused = trainer.expectMessageClass(Refused.class);
            assertThat(refused.code()).as("%s", command).isEqualTo(Refused.Code.UNAVAILABLE);
            assertThat(refused.message()).contains("reaches no majority");
        }

        cutOff.set(false);
        coordinator.tell(commands.get(1));
        assertThat(trainer.expectMessageClass(Refused.class).message()).contains("is not published");
    }

    private Companions companions() {
        return new Companions(
                fleets -> Behaviors.ignore(),
                events -> Behaviors.setup(context -> {
                    events.tell(new LedgerEvent.Recovered(LedgerState.of(List.of())));
                    return Behaviors.ignore();
                }),
                new Surroundings() {
                    @Override
                    public boolean reachesMajority(ActorSystem<?> system) {
                        return !cutOff.get();
                    }

                    @Override
                    public boolean isSettled(ActorSystem<?> system) {
                        return true;
                    }
                },
                check -> CompletableFuture.completedFuture(CheckResult.PASSED));
    }
}
