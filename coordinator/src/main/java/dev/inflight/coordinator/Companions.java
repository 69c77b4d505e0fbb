package dev.inflight.coordinator;

import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import dev.inflight.coordinator.canary.CanaryCheck;
import dev.inflight.coordinator.canary.CheckProbe;
import dev.inflight.coordinator.canary.CheckResult;
import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.fleet.FleetMonitor;
import dev.inflight.coordinator.ledger.LedgerEvent;
import dev.inflight.coordinator.ledger.LedgerWriter;
import java.time.InstantSource;
import java.util.concurrent.CompletionStage;
import java.util.function.Function;
import java.util.function.LongSupplier;

/**
 * What the coordinator relies on for as long as it lives; actors are made for who listens to them.
 *
 * @param fleetMonitor tells of every change of the fleet
 * @param ledger tells first what it knows, with {@link LedgerEvent.Recovered}
 * @param surroundings what its node knows of the cluster
 * @param checks makes a canary's check once
 */
public record Companions(
        Function<ActorRef<Fleet>, Behavior<FleetMonitor.Event>> fleetMonitor,
        Function<ActorRef<LedgerEvent>, Behavior<LedgerWriter.Command>> ledger,
        Surroundings surroundings,
        Function<CanaryCheck, CompletionStage<CheckResult>> checks) {
    static Companions of(CoordinatorSettings settings, LongSupplier nanoTime, InstantSource wallClock) {
        return new Companions(
                listener -> FleetMonitor.create(listener, settings.subscribeRetry()),
                listener ->
                        LedgerWriter.create(settings.ledger(), CoordinatorSettings.ROLE, listener, nanoTime, wallClock),
                Surroundings.CLUSTER,
                CheckProbe.lazily(settings.canary().checkTimeout()));
    }
}
