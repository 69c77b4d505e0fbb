package dev.inflight.coordinator.canary;

import akka.actor.typed.ActorRef;
import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.ledger.LedgerEntry.CanaryMoved;
import dev.inflight.coordinator.session.SessionEvent;
import dev.inflight.protocol.cluster.LoadMode;
import java.time.InstantSource;
import java.util.concurrent.CompletionStage;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * What a {@link CanarySession} begins with.
 *
 * @param version that is tried
 * @param group of which engines some try it and all are meant; null for all of the model
 * @param mode load mode of its updates; null lets the coordinator choose
 * @param strategy of its updates
 * @param requester who asked for it, and so for its updates; null if the request did not say
 * @param state where it is
 * @param resumed whether a former coordinator began it
 * @param fleet the fleet at the start; later ones come as messages
 * @param wallClock the clock that holds are measured with, since they outlive a coordinator
 * @param probe makes a check once
 * @param parent hears what it does and how it ends
 */
public record CanaryStart(
        String model,
        String version,
        @Nullable String group,
        @Nullable LoadMode mode,
        String strategy,
        @Nullable String requester,
        CanaryMoved state,
        boolean resumed,
        Fleet fleet,
        CanarySettings settings,
        InstantSource wallClock,
        Function<CanaryCheck, CompletionStage<CheckResult>> probe,
        ActorRef<SessionEvent> parent) {
    String id() {
        return state.operation();
    }
}
