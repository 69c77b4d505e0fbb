package dev.inflight.worker;

import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.actor.typed.Terminated;
import akka.actor.typed.javadsl.AbstractBehavior;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.javadsl.Receive;
import akka.actor.typed.receptionist.Receptionist;
import dev.inflight.protocol.checkpoint.CheckpointException;
import dev.inflight.protocol.checkpoint.LayoutDigest;
import dev.inflight.protocol.cluster.HostStoreCommand;
import dev.inflight.protocol.cluster.HostStoreEvent;
import dev.inflight.protocol.cluster.HostStoreEvent.InspectRefused;
import dev.inflight.protocol.cluster.HostStoreEvent.LoadFailed;
import dev.inflight.protocol.cluster.HostStoreEvent.LoadProgress;
import dev.inflight.protocol.cluster.HostStoreEvent.Loaded;
import dev.inflight.protocol.cluster.LeaseReply;
import dev.inflight.protocol.cluster.OperationReply.Refused;
import dev.inflight.protocol.plan.Place;
import dev.inflight.worker.store.CheckpointNotFoundException;
import dev.inflight.worker.store.HostStore;
import dev.inflight.worker.store.StoredCheckpoint;
import dev.inflight.worker.update.ShardTaking;
import java.time.Duration;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.Executor;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.LongConsumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Face of a host's store in the cluster. Never blocks: reading files happens on virtual threads. */
final class HostStoreActor extends AbstractBehavior<HostStoreActor.Message> {
    sealed interface Message {}

    private record Asked(HostStoreCommand command) implements Message {}

    /** A load ended; subscribers hear of what is held now before the asker hears of the end. */
    private record Ended(HostStoreEvent answer, ActorRef<HostStoreEvent> replyTo) implements Message {}

    private enum Leave implements Message {
        INSTANCE
    }

    private enum Expire implements Message {
        INSTANCE
    }

    /** A replica changed what the store holds. */
    private record Changed() implements Message {}

    /** How late an expired lease may be noticed. */
    private static final Duration EXPIRY_CHECK = Duration.ofSeconds(1);

    private static final Logger LOG = LoggerFactory.getLogger(HostStoreActor.class);

    private final ActorRef<Message> self;
    private final String host;
    private final String endpoint;
    private final Place place;
    private final HostStore store;
    private final Executor blocking = Executors.newVirtualThreadPerTaskExecutor();
    private final Set<ActorRef<HostStoreEvent>> subscribers = new HashSet<>();
    private final ShardTaking taking;
    private final Departure departure;
    private final long maxSourceBytesPerSecond;

    private HostStoreActor(
            ActorContext<Message> context,
            String host,
            String endpoint,
            Place place,
            HostStore store,
            ShardTaking taking,
            Departure departure,
            long maxSourceBytesPerSecond) {
        super(context);
        this.self = context.getSelf();
        this.host = host;
        this.endpoint = endpoint;
        this.place = place;
        this.store = store;
        this.taking = taking;
        this.departure = departure;
        this.maxSourceBytesPerSecond = maxSourceBytesPerSecond;
        store.onChange(() -> self.tell(new Changed()));
        departure.onBegin(() -> self.tell(Leave.INSTANCE));
    }

    /**
     * Registers itself with the receptionist.
     *
     * @param maxSourceBytesPerSecond what its peer server is held to, for the coordinator to show
     */
    static Behavior<HostStoreCommand> create(
            String host,
            String endpoint,
            Place place,
            HostStore store,
            ShardTaking taking,
            Departure departure,
            long maxSourceBytesPerSecond) {
        Behavior<Message> actor = Behaviors.setup(context -> {
            context.getSystem()
                    .receptionist()
                    .tell(Receptionist.register(
                            HostStoreCommand.KEY, context.getSelf().unsafeUpcast()));
            return Behaviors.withTimers(timers -> {
                timers.startTimerWithFixedDelay(Expire.INSTANCE, EXPIRY_CHECK);
                return new HostStoreActor(
                        context, host, endpoint, place, store, taking, departure, maxSourceBytesPerSecond);
            });
        });
        return Behaviors.transformMessages(
                HostStoreCommand.class, actor, commands -> commands.match(HostStoreCommand.class, Asked::new));
    }

    @Override
    public Receive<Message> createReceive() {
        return newReceiveBuilder()
                .onMessage(Asked.class, asked -> onAsked(asked.command()))
                .onMessage(Ended.class, this::onEnded)
                .onMessage(Leave.class, leave -> onLeave())
                .onMessage(Changed.class, changed -> onChanged())
                .onMessage(Expire.class, expire -> onExpire())
                .onSignal(Terminated.class, this::onSubscriberGone)
                .build();
    }

    private Behavior<Message> onAsked(HostStoreCommand command) {
        switch (command) {
            case HostStoreCommand.Subscribe subscribe -> onSubscribe(subscribe.subscriber());
            case HostStoreCommand.Inspect inspect -> blocking.execute(() -> inspect(inspect));
            case HostStoreCommand.Load load -> blocking.execute(() -> load(load));
            case HostStoreCommand.Restore restore -> blocking.execute(() -> restore(restore));
            case HostStoreCommand.Dismiss dismiss -> departure.end();
            case HostStoreCommand.Lend lend -> lend.replyTo().tell(lend(lend.bytes()));
            case HostStoreCommand.GetLease get ->
                get.replyTo().tell(store.lentArenas().view(get.lease()));
            case HostStoreCommand.GiveBack back ->
                back.replyTo().tell(store.lentArenas().giveBack(back.lease()));
            case HostStoreCommand.Unload unload -> {
                store.unload(unload.digest());
                tellState();
            }
            case HostStoreCommand.Release release -> {
                store.release(release.digest());
                tellState();
            }
        }
        return this;
    }

    private LeaseReply lend(long bytes) {
        return departure.hasBegun()
                ? new Refused(Refused.Code.UNAVAILABLE, "host " + host + " is about to stop and lends nothing")
                : store.lentArenas().lend(bytes);
    }

    private Behavior<Message> onExpire() {
        store.lentArenas().expire();
        return this;
    }

    private void onSubscribe(ActorRef<HostStoreEvent> subscriber) {
        if (subscribers.add(subscriber)) {
            getContext().watch(subscriber);
        }
        subscriber.tell(state());
    }

    private Behavior<Message> onSubscriberGone(Terminated gone) {
        subscribers.remove(gone.getRef().<HostStoreEvent>unsafeUpcast());
        return departure.hasBegun() ? onLeave() : this;
    }

    /** Without a coordinator nobody can take anything over. */
    private Behavior<Message> onLeave() {
        if (subscribers.isEmpty()) {
            departure.end();
        }
        tellState();
        return this;
    }

    private Behavior<Message> onEnded(Ended ended) {
        tellState();
        ended.replyTo().tell(ended.answer());
        return this;
    }

    private Behavior<Message> onChanged() {
        tellState();
        return this;
    }

    private void tellState() {
        subscribers.forEach(subscriber -> subscriber.tell(state()));
    }

    private HostStoreEvent state() {
        return new HostStoreEvent.HostState(
                host, endpoint, store.held(), place, store.coming(), departure.hasBegun(), maxSourceBytesPerSecond);
    }

    private void inspect(HostStoreCommand.Inspect order) {
        HostStoreEvent answer;
        try (var files = store.open(order.source())) {
            var layout = files.layout();
            answer = new HostStoreEvent.Inspected(
                    host,
                    order.publishId(),
                    LayoutDigest.of(layout),
                    layout.tensors().size(),
                    layout.bytes(),
                    layout.largestTensorBytes(),
                    files.inPlace());
        } catch (CheckpointNotFoundException e) {
            answer = refused(order, InspectRefused.Reason.NOT_FOUND, e);
        } catch (RuntimeException | Error e) {
            answer = refused(order, InspectRefused.Reason.INVALID, e);
        }
        order.replyTo().tell(answer);
    }

    private InspectRefused refused(HostStoreCommand.Inspect order, InspectRefused.Reason reason, Throwable e) {
        if (!(e instanceof CheckpointException) && reason == InspectRefused.Reason.INVALID) {
            LOG.warn("inspecting {} failed", order.source(), e);
        }
        return new InspectRefused(host, order.publishId(), reason, message(e));
    }

    private void load(HostStoreCommand.Load order) {
        load(order.publishId(), order.replyTo(), progress -> store.load(order, progress));
    }

    private void restore(HostStoreCommand.Restore order) {
        load(order.publishId(), order.replyTo(), progress -> restored(order, progress));
    }

    /** Files first: they cost the sources nothing, and memory for the wanted shards only. */
    private StoredCheckpoint restored(HostStoreCommand.Restore order, LongConsumer progress)
            throws InterruptedException {
        try {
            return store.restore(order, progress);
        } catch (RuntimeException e) {
            if (order.sources().isEmpty()) {
                throw e;
            }
            LOG.info("takes shards from other hosts, since their files can not be read: {}", e.getMessage());
            return taking.take(order, progress);
        }
    }

    private interface Loading {
        StoredCheckpoint run(LongConsumer progress) throws InterruptedException;
    }

    private void load(String publishId, ActorRef<HostStoreEvent> replyTo, Loading loading) {
        var progress = new Throttle(sum -> replyTo.tell(new LoadProgress(host, publishId, sum)));
        var bytes = new LongAdder();
        long touched = store.touchMicros();
        long registered = store.registerMicros();
        HostStoreEvent answer;
        try {
            var stored = loading.run(more -> {
                bytes.add(more);
                progress.add(more);
            });
            // Two loads at once share what both touched and registered: good enough for a report.
            answer = new Loaded(
                    host,
                    publishId,
                    stored.ref().digest(),
                    bytes.sum(),
                    store.touchMicros() - touched,
                    store.registerMicros() - registered);
        } catch (InterruptedException | RuntimeException | Error e) {
            answer = new LoadFailed(host, publishId, message(e));
        }
        self.tell(new Ended(answer, replyTo));
    }

    private static String message(Throwable e) {
        return e.getMessage() == null ? e.toString() : e.getMessage();
    }
}
