package dev.inflight.coordinator.operation;

import akka.actor.typed.ActorRef;
import dev.inflight.protocol.cluster.Wire;

/** What the HTTP API, on whichever node it runs, asks of the coordinator besides a trainer's commands. */
public sealed interface CoordinatorQuery extends Wire {
    /** Asks for what the coordinator knows. */
    record GetStatus(ActorRef<Status> replyTo) implements CoordinatorQuery {}

    /** @param json models, hosts, workers, operation and lastUpdate as a JSON object */
    record Status(String json) implements Wire {}
}
