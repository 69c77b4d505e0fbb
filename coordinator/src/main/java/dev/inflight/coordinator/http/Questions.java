package dev.inflight.coordinator.http;

import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.javadsl.AskPattern;
import dev.inflight.protocol.cluster.Wire;
import java.time.Duration;
import java.util.concurrent.CompletionStage;

/**
 * Asks the coordinator what changes nothing. What a coordinator was asked before it died is lost with it, so it is asked
 * again: the next one answers as soon as it is there.
 */
final class Questions {
    private static final Duration PATIENCE = Duration.ofSeconds(1);

    private final ActorSystem<?> system;
    private final ActorRef<Wire> coordinator;
    private final Duration limit;

    /** @param limit longest wait for an answer, over all times it is asked */
    Questions(ActorSystem<?> system, ActorRef<Wire> coordinator, Duration limit) {
        this.system = system;
        this.coordinator = coordinator;
        this.limit = limit;
    }

    /** @param question what to ask, given where to answer to; may be asked several times */
    <T> CompletionStage<T> ask(akka.japi.function.Function<ActorRef<T>, Wire> question) {
        return ask(question, System.nanoTime() + limit.toNanos());
    }

    private <T> CompletionStage<T> ask(akka.japi.function.Function<ActorRef<T>, Wire> question, long deadlineNanos) {
        Duration left = Duration.ofNanos(deadlineNanos - System.nanoTime());
        boolean last = left.compareTo(PATIENCE) <= 0;
        Duration patience = last ? left : PATIENCE;
        CompletionStage<T> answer = AskPattern.ask(
                coordinator, question, patience.isPositive() ? patience : Duration.ofMillis(1), system.scheduler());
        return last ? answer : answer.exceptionallyCompose(silence -> ask(question, deadlineNanos));
    }
}
