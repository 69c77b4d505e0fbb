package dev.inflight.coordinator;

import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.receptionist.Receptionist;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.HostStoreCommand;
import dev.inflight.protocol.cluster.HostStoreCommand.Holder;
import dev.inflight.protocol.cluster.HostStoreEvent;
import dev.inflight.protocol.cluster.HostStoreEvent.Held;
import dev.inflight.protocol.cluster.HostStoreEvent.HostState;
import dev.inflight.protocol.cluster.HostStoreEvent.InspectRefused;
import dev.inflight.protocol.cluster.HostStoreEvent.Inspected;
import dev.inflight.protocol.cluster.HostStoreEvent.Loaded;
import dev.inflight.protocol.cluster.LeaseReply.Lease;
import dev.inflight.protocol.cluster.OperationReply.Refused;
import dev.inflight.protocol.plan.Place;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A host store without bytes: a source's digest is its path. Paths with "missing" are not there, those with "broken"
 * break the format. Every lease that is asked about is there.
 */
final class FakeHost {
    /** How the id of a lease ends whose arena is being published. */
    static final String PUBLISHING = "-ffffffffffff";

    private final String name;
    private final List<ActorRef<HostStoreEvent>> subscribers = new ArrayList<>();
    private final List<Held> held = new ArrayList<>();

    private FakeHost(String name) {
        this.name = name;
    }

    static Behavior<HostStoreCommand> create(String name, List<Held> held) {
        return Behaviors.setup(context -> {
            context.getSystem().receptionist().tell(Receptionist.register(HostStoreCommand.KEY, context.getSelf()));
            FakeHost host = new FakeHost(name);
            host.held.addAll(held);
            return Behaviors.receiveMessage(command -> {
                host.on(command);
                return Behaviors.same();
            });
        });
    }

    private void on(HostStoreCommand command) {
        switch (command) {
            case HostStoreCommand.Subscribe subscribe -> {
                subscribers.add(subscribe.subscriber());
                subscribe.subscriber().tell(state());
            }
            case HostStoreCommand.Inspect inspect -> inspect.replyTo().tell(inspected(inspect));
            case HostStoreCommand.Load load -> {
                Holder own = load.holders().stream()
                        .filter(holder -> holder.host().equals(name))
                        .findFirst()
                        .orElseThrow();
                CheckpointRef ref = new CheckpointRef(
                        load.model(),
                        load.version(),
                        "digest of " + load.source(),
                        load.source(),
                        load.shardCount(),
                        load.maxPartBytes(),
                        3,
                        4096,
                        2048);
                held.add(new Held(ref, own.shards()));
                load.replyTo().tell(new Loaded(name, load.publishId(), ref.digest(), 2048, 0, 0));
                publish();
            }
            case HostStoreCommand.Restore restore ->
                restore.replyTo()
                        .tell(new Loaded(
                                name, restore.publishId(), restore.checkpoint().digest(), 2048, 0, 0));
            case HostStoreCommand.Dismiss dismiss -> {}
            case HostStoreCommand.Lend lend ->
                lend.replyTo().tell(lease(name + "-0123456789ab", Lease.State.PREPARING, null));
            case HostStoreCommand.GetLease get ->
                get.replyTo().tell(lease(get.lease(), Lease.State.READY, "/dev/shm/arena"));
            case HostStoreCommand.GiveBack back ->
                back.replyTo()
                        .tell(
                                back.lease().endsWith(PUBLISHING)
                                        ? new Refused(Refused.Code.CONFLICT, "lease: it is being published")
                                        : lease(back.lease(), Lease.State.GIVEN_BACK, null));
            case HostStoreCommand.Unload unload -> {
                held.removeIf(entry -> entry.checkpoint().digest().equals(unload.digest()));
                publish();
            }
            case HostStoreCommand.Release release -> {
                held.removeIf(entry -> entry.checkpoint().digest().equals(release.digest()));
                publish();
            }
        }
    }

    private Lease lease(String id, Lease.State state, @Nullable String path) {
        return new Lease(id, name, state, path, 1000, 600_000, null);
    }

    private HostStoreEvent inspected(HostStoreCommand.Inspect inspect) {
        String source = inspect.source();
        if (source.contains("missing")) {
            return new InspectRefused(
                    name, inspect.publishId(), InspectRefused.Reason.NOT_FOUND, source + ": no such file");
        }
        return source.contains("broken")
                ? new InspectRefused(name, inspect.publishId(), InspectRefused.Reason.INVALID, source + ": bad header")
                : new Inspected(name, inspect.publishId(), "layout", 3, 4096, 2048, true);
    }

    private HostState state() {
        return new HostState(name, name + ":1", List.copyOf(held), new Place("machine of " + name, "", ""), List.of());
    }

    private void publish() {
        subscribers.forEach(subscriber -> subscriber.tell(state()));
    }
}
