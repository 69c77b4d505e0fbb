package dev.inflight.coordinator.update;

import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.actor.typed.javadsl.AbstractBehavior;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.javadsl.Receive;
import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.fleet.FleetHost;
import dev.inflight.coordinator.fleet.WorkerClaims;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.HostStoreCommand;
import dev.inflight.protocol.cluster.HostStoreEvent;
import dev.inflight.protocol.cluster.HostStoreEvent.LoadFailed;
import dev.inflight.protocol.cluster.HostStoreEvent.Loaded;
import java.util.Collection;
import java.util.List;

/**
 * The leave of one host: others take over what it alone holds, what its workers take part in ends, and then it is
 * dismissed. It ends with the host and has no deadline: the host itself waits only so long.
 */
public final class HandOverSession extends AbstractBehavior<HandOverSession.Command> {
    /** What the session hears. */
    public sealed interface Command {}

    /** The coordinator's view of the fleet changed, or a worker was released. */
    public record FleetChanged(Fleet fleet) implements Command {}

    private record FromHost(HostStoreEvent event) implements Command {}

    private final FleetHost leaving;
    private final HandOver handOver;
    private final WorkerClaims claims;
    private final ActorRef<HostStoreEvent> hostEvents;
    private int reported;
    private boolean dismissed;

    private HandOverSession(ActorContext<Command> context, FleetHost leaving, HandOver handOver, WorkerClaims claims) {
        super(context);
        this.leaving = leaving;
        this.handOver = handOver;
        this.claims = claims;
        this.hostEvents = context.messageAdapter(HostStoreEvent.class, FromHost::new);
    }

    /** @param published checkpoints whose shards are to stay */
    public static Behavior<Command> create(
            FleetHost leaving, Collection<CheckpointRef> published, Fleet fleet, WorkerClaims claims) {
        return Behaviors.setup(context -> {
            HandOver handOver = new HandOver(leaving, published, fleet);
            return new HandOverSession(context, leaving, handOver, claims).carryOut(handOver.begin());
        });
    }

    @Override
    public Receive<Command> createReceive() {
        return newReceiveBuilder()
                .onMessage(FleetChanged.class, changed -> carryOut(handOver.onFleet(changed.fleet())))
                .onMessage(FromHost.class, from -> carryOut(onHost(from.event())))
                .build();
    }

    private List<UpdateCourse.Action> onHost(HostStoreEvent event) {
        return switch (event) {
            case Loaded loaded -> handOver.onRestored(loaded.publishId(), null);
            case LoadFailed failed -> handOver.onRestored(failed.publishId(), failed.message());
            default -> List.of();
        };
    }

    private Behavior<Command> carryOut(List<UpdateCourse.Action> actions) {
        for (UpdateCourse.Action action : actions) {
            if (action instanceof UpdateCourse.ToHost to) {
                getContext()
                        .getLog()
                        .info(
                                "{} takes over shards {} of version {} from {}",
                                to.host().name(),
                                to.shards(),
                                to.checkpoint().version(),
                                leaving.name());
                to.host()
                        .ref()
                        .tell(new HostStoreCommand.Restore(
                                to.restoreId(),
                                to.checkpoint(),
                                to.shards().ranges(),
                                List.of(handOver.source(to.checkpoint())),
                                hostEvents));
            }
        }
        for (String failure :
                handOver.failures().subList(reported, handOver.failures().size())) {
            getContext().getLog().warn("{} leaves, and what it alone holds goes with it: {}", leaving.name(), failure);
            reported++;
        }
        if (handOver.isGone()) {
            return Behaviors.stopped();
        }
        if (!dismissed && handOver.isOver(claims.ofOthers("").keySet())) {
            dismissed = true;
            leaving.ref().tell(new HostStoreCommand.Dismiss());
        }
        return this;
    }
}
