package dev.inflight.coordinator.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.testkit.typed.javadsl.TestProbe;
import dev.inflight.coordinator.operation.CoordinatorQuery.GetStatus;
import dev.inflight.coordinator.operation.CoordinatorQuery.Status;
import dev.inflight.protocol.cluster.Wire;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;

class QuestionsTest {
    private static final ActorTestKit KIT = ActorTestKit.create();

    private final TestProbe<Wire> coordinator = KIT.createTestProbe();

    @AfterAll
    static void stop() {
        KIT.shutdownTestKit();
    }

    @Test
    void whatADyingCoordinatorWasAskedIsAskedOfTheNext() throws Exception {
        CompletableFuture<Status> answer = ask(Duration.ofSeconds(30));
        coordinator.expectMessageClass(GetStatus.class);
        // Nobody answers the first time.
        coordinator.expectMessageClass(GetStatus.class).replyTo().tell(new Status("{}"));

        assertThat(answer.get(10, TimeUnit.SECONDS).json()).isEqualTo("{}");
        coordinator.expectNoMessage(Duration.ofMillis(100));
    }

    @Test
    void failsWhenNobodyAnswersInTime() {
        CompletableFuture<Status> answer = ask(Duration.ofMillis(1200));

        assertThatExceptionOfType(CompletionException.class)
                .isThrownBy(answer::join)
                .withCauseInstanceOf(TimeoutException.class);
        coordinator.expectMessageClass(GetStatus.class);
        coordinator.expectMessageClass(GetStatus.class);
    }

    private CompletableFuture<Status> ask(Duration limit) {
        return new Questions(KIT.system(), coordinator.getRef(), limit)
                .<Status>ask(GetStatus::new)
                .toCompletableFuture();
    }
}
