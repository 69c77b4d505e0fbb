package dev.inflight.worker;

import akka.actor.typed.Behavior;
import akka.actor.typed.javadsl.AbstractBehavior;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.javadsl.Receive;
import akka.actor.typed.javadsl.TimerScheduler;
import java.time.Duration;
import java.util.List;

/**
 * Supervises a host's actors. One that fails is started anew, under a new reference: whoever watched the old one learns
 * of the loss and finds the new one through the receptionist.
 */
final class WorkerHost extends AbstractBehavior<WorkerHost.Message> {
    private static final Duration RESPAWN_DELAY = Duration.ofSeconds(1);

    sealed interface Message {}

    private record Died(Child child) implements Message {}

    private record Respawn(Child child) implements Message {}

    /** @param behavior made anew for every start */
    record Child(String name, Behavior<?> behavior) {}

    private final TimerScheduler<Message> timers;

    private WorkerHost(ActorContext<Message> context, TimerScheduler<Message> timers, List<Child> children) {
        super(context);
        this.timers = timers;
        children.forEach(this::spawn);
    }

    static Behavior<Message> create(List<Child> children) {
        return Behaviors.setup(context -> Behaviors.withTimers(timers -> new WorkerHost(context, timers, children)));
    }

    private void spawn(Child child) {
        getContext().watchWith(getContext().spawn(child.behavior(), child.name()), new Died(child));
    }

    @Override
    public Receive<Message> createReceive() {
        return newReceiveBuilder()
                .onMessage(Died.class, this::onDied)
                .onMessage(Respawn.class, this::onRespawn)
                .build();
    }

    private Behavior<Message> onDied(Died died) {
        var child = died.child();
        getContext().getLog().error("{} failed; it starts again in {} ms", child.name(), RESPAWN_DELAY.toMillis());
        timers.startSingleTimer(child, new Respawn(child), RESPAWN_DELAY);
        return this;
    }

    private Behavior<Message> onRespawn(Respawn respawn) {
        spawn(respawn.child());
        return this;
    }
}
