package dev.inflight.coordinator.fleet;

import akka.actor.Address;
import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.actor.typed.javadsl.AbstractBehavior;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.javadsl.Receive;
import akka.actor.typed.javadsl.TimerScheduler;
import akka.actor.typed.receptionist.Receptionist;
import akka.cluster.ClusterEvent;
import akka.cluster.typed.Cluster;
import akka.cluster.typed.Subscribe;
import dev.inflight.protocol.cluster.HostStoreCommand;
import dev.inflight.protocol.cluster.HostStoreEvent;
import dev.inflight.protocol.cluster.HostStoreEvent.HostState;
import dev.inflight.protocol.cluster.WorkerCommand;
import dev.inflight.protocol.cluster.WorkerEvent;
import dev.inflight.protocol.cluster.WorkerEvent.WorkerState;
import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;

/**
 * Keeps the {@link Fleet}: subscribes to every host store and worker that the receptionist lists, leaves out those that
 * have stopped or whose member is unreachable, and tells its listener after every change.
 */
public final class FleetMonitor extends AbstractBehavior<FleetMonitor.Event> {
    /** What the monitor hears. */
    public sealed interface Event {}

    private record HostsListed(Set<ActorRef<HostStoreCommand>> hosts) implements Event {}

    private record WorkersListed(Set<ActorRef<WorkerCommand>> workers) implements Event {}

    private record HostReported(ActorRef<HostStoreCommand> ref, HostStoreEvent event) implements Event {}

    private record WorkerReported(ActorRef<WorkerCommand> ref, WorkerEvent event) implements Event {}

    private record Stopped(ActorRef<?> ref) implements Event {}

    private record ReachabilityChanged(Address member, boolean reachable) implements Event {}

    private enum Retry implements Event {
        INSTANCE
    }

    private final ActorRef<Fleet> listener;
    private final Map<ActorRef<?>, ActorRef<?>> subscriptions = new HashMap<>();
    private Fleet fleet = Fleet.EMPTY;

    private FleetMonitor(
            ActorContext<Event> context, TimerScheduler<Event> timers, ActorRef<Fleet> listener, Duration retry) {
        super(context);
        this.listener = listener;
        ActorRef<Receptionist.Listing> listings =
                context.messageAdapter(Receptionist.Listing.class, FleetMonitor::listed);
        context.getSystem().receptionist().tell(Receptionist.subscribe(HostStoreCommand.KEY, listings));
        context.getSystem().receptionist().tell(Receptionist.subscribe(WorkerCommand.KEY, listings));
        Cluster cluster = Cluster.get(context.getSystem());
        cluster.subscriptions()
                .tell(Subscribe.create(
                        context.messageAdapter(
                                ClusterEvent.ReachabilityEvent.class,
                                event -> new ReachabilityChanged(
                                        event.member().address(), event instanceof ClusterEvent.ReachableMember)),
                        ClusterEvent.ReachabilityEvent.class));
        cluster.subscriptions()
                .tell(Subscribe.create(
                        context.messageAdapter(
                                ClusterEvent.MemberRemoved.class,
                                event -> new ReachabilityChanged(event.member().address(), true)),
                        ClusterEvent.MemberRemoved.class));
        timers.startTimerWithFixedDelay(Retry.INSTANCE, retry);
    }

    /** @param retry how long a listed host or worker may stay silent before it is asked again */
    public static Behavior<Event> create(ActorRef<Fleet> listener, Duration retry) {
        return Behaviors.setup(
                context -> Behaviors.withTimers(timers -> new FleetMonitor(context, timers, listener, retry)));
    }

    @Override
    public Receive<Event> createReceive() {
        return newReceiveBuilder()
                .onMessage(HostsListed.class, this::onHostsListed)
                .onMessage(WorkersListed.class, this::onWorkersListed)
                .onMessage(HostReported.class, this::onHostReported)
                .onMessage(WorkerReported.class, this::onWorkerReported)
                .onMessage(Stopped.class, this::onStopped)
                .onMessage(ReachabilityChanged.class, this::onReachabilityChanged)
                .onMessage(Retry.class, retry -> onRetry())
                .build();
    }

    private static Event listed(Receptionist.Listing listing) {
        return listing.isForKey(HostStoreCommand.KEY)
                ? new HostsListed(listing.getServiceInstances(HostStoreCommand.KEY))
                : new WorkersListed(listing.getServiceInstances(WorkerCommand.KEY));
    }

    private Behavior<Event> onHostsListed(HostsListed listed) {
        Fleet next = fleet.withHosts(listed.hosts());
        next.silentHosts().forEach(this::subscribeHost);
        return become(next);
    }

    private Behavior<Event> onWorkersListed(WorkersListed listed) {
        Fleet next = fleet.withWorkers(listed.workers());
        next.silentWorkers().forEach(this::subscribeWorker);
        return become(next);
    }

    private Behavior<Event> onHostReported(HostReported reported) {
        return reported.event() instanceof HostState state && subscriptions.containsKey(reported.ref())
                ? become(fleet.report(reported.ref(), state))
                : this;
    }

    private Behavior<Event> onWorkerReported(WorkerReported reported) {
        return reported.event() instanceof WorkerState state && subscriptions.containsKey(reported.ref())
                ? become(fleet.report(reported.ref(), state))
                : this;
    }

    /**
     * Lost for now, but asked again while the receptionist lists it: death watch ends for all of an address at once, so
     * the end of a killed host's member may be told of those that registered since from the same address.
     */
    private Behavior<Event> onStopped(Stopped stopped) {
        unsubscribe(stopped.ref());
        return become(fleet.silenced(stopped.ref()));
    }

    private Behavior<Event> onReachabilityChanged(ReachabilityChanged changed) {
        return become(
                changed.reachable() ? fleet.withReachable(changed.member()) : fleet.withUnreachable(changed.member()));
    }

    private Behavior<Event> onRetry() {
        fleet.silentHosts().forEach(this::subscribeHost);
        fleet.silentWorkers().forEach(this::subscribeWorker);
        return this;
    }

    private void subscribeHost(ActorRef<HostStoreCommand> host) {
        unsubscribe(host);
        ActorRef<HostStoreEvent> subscription =
                getContext().spawnAnonymous(forwarding(event -> new HostReported(host, event)));
        subscribed(host, subscription);
        host.tell(new HostStoreCommand.Subscribe(subscription));
    }

    private void subscribeWorker(ActorRef<WorkerCommand> worker) {
        unsubscribe(worker);
        ActorRef<WorkerEvent> subscription =
                getContext().spawnAnonymous(forwarding(event -> new WorkerReported(worker, event)));
        subscribed(worker, subscription);
        worker.tell(new WorkerCommand.Subscribe(subscription));
    }

    /** One subscriber per host or worker: its reports do not say which actor sent them. */
    private <E> Behavior<E> forwarding(Function<E, Event> tag) {
        ActorRef<Event> self = getContext().getSelf();
        return Behaviors.receiveMessage(event -> {
            self.tell(tag.apply(event));
            return Behaviors.same();
        });
    }

    private void subscribed(ActorRef<?> ref, ActorRef<?> subscription) {
        subscriptions.put(ref, subscription);
        getContext().watchWith(ref, new Stopped(ref));
    }

    private void unsubscribe(ActorRef<?> ref) {
        ActorRef<?> subscription = subscriptions.remove(ref);
        if (subscription != null) {
            getContext().unwatch(ref);
            getContext().stop(subscription);
        }
    }

    private Behavior<Event> become(Fleet next) {
        fleet = next;
        Set<ActorRef<?>> gone = new HashSet<>(subscriptions.keySet());
        gone.removeAll(next.listed());
        gone.forEach(this::unsubscribe);
        listener.tell(next);
        return this;
    }
}
