package dev.inflight.tests.fleet;

import akka.actor.AbstractActor;
import akka.actor.ActorSelection;
import akka.actor.Address;
import akka.actor.Props;
import akka.actor.RootActorPath;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.javadsl.Adapter;
import akka.pattern.Patterns;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.inflight.tests.fleet.WireTraffic.Traffic;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.Map;

/** Asks another node for its {@link WireTraffic}. */
final class TrafficReader {
    private static final String NAME = "wire-traffic";
    private static final String READ = "read";
    private static final Duration LIMIT = Duration.ofSeconds(20);

    private final ActorSelection counter;

    TrafficReader(ActorSystem<?> system, Address node) {
        this.counter = Adapter.toClassic(system)
                .actorSelection(RootActorPath.apply(node, "/").child("user").child(NAME));
    }

    /** Lets others read this node's traffic. */
    static void start(akka.actor.ActorSystem system) {
        system.actorOf(Props.create(Counter.class, Counter::new), NAME);
    }

    Map<String, Traffic> read() {
        String answer = (String)
                Patterns.ask(counter, READ, LIMIT).toCompletableFuture().join();
        try {
            return new ObjectMapper().readValue(answer, new TypeReference<Map<String, Traffic>>() {});
        } catch (JsonProcessingException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Speaks in strings, which every node can serialize. */
    private static final class Counter extends AbstractActor {
        @Override
        public Receive createReceive() {
            return receiveBuilder()
                    .matchEquals(
                            READ,
                            read -> getSender()
                                    .tell(
                                            new ObjectMapper()
                                                    .writeValueAsString(WireTraffic.of(
                                                                    getContext().getSystem())
                                                            .read()),
                                            getSelf()))
                    .build();
        }
    }
}
