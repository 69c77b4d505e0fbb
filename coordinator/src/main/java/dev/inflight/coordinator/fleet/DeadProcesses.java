package dev.inflight.coordinator.fleet;

import akka.actor.Address;
import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.actor.typed.javadsl.AbstractBehavior;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.javadsl.Receive;
import akka.actor.typed.javadsl.TimerScheduler;
import akka.cluster.ClusterEvent;
import akka.cluster.ClusterEvent.CurrentClusterState;
import akka.cluster.Member;
import akka.cluster.typed.Cluster;
import akka.cluster.typed.Down;
import akka.cluster.typed.Subscribe;
import com.typesafe.config.Config;
import java.io.IOException;
import java.net.ConnectException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.time.Duration;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * Downs members whose process is gone without waiting for the split-brain resolver. When the failure detector finds a
 * member silent, its machine is asked for the port that the member's cluster traffic came to: a kernel that answers
 * "refused" says that nobody listens there any more, which neither a pause of the process nor a cut of the network can
 * look like. A machine that does not answer is left to the resolver.
 *
 * <p>A firewall that cuts by refusing looks the same. So nobody is downed unless a {@link Majority} is reachable: what
 * is then downed is what the resolver would down a little later.
 */
public final class DeadProcesses extends AbstractBehavior<DeadProcesses.Event> {
    /** What it hears. */
    public sealed interface Event {}

    /** @param looked how often it was asked already */
    private record Unreachable(Member member, int looked) implements Event {}

    private record Refused(Member member, int looked) implements Event {}

    /** Asks the machine of a member for its port. Blocks; run on a virtual thread. */
    @FunctionalInterface
    interface Probe {
        boolean refused(Address member);
    }

    private static final Duration CONNECT_TIMEOUT = Duration.ofSeconds(1);
    private static final Duration AGAIN = Duration.ofMillis(250);

    /** Longer than the resolver takes. */
    private static final int MOST_LOOKS = 60;

    private final TimerScheduler<Event> timers;
    private final Probe probe;
    private final Supplier<CurrentClusterState> cluster;
    private final ActorRef<? super Down> manager;
    private final Runnable downed;

    private DeadProcesses(
            ActorContext<Event> context,
            TimerScheduler<Event> timers,
            Probe probe,
            Supplier<CurrentClusterState> cluster,
            ActorRef<? super Down> manager,
            Runnable downed) {
        super(context);
        this.timers = timers;
        this.probe = probe;
        this.cluster = cluster;
        this.manager = manager;
        this.downed = downed;
    }

    /**
     * Whether it is wanted and can tell: with Aeron UDP nobody listens on the members' TCP ports.
     *
     * @param config the whole configuration
     */
    public static boolean isUseful(Config config) {
        return config.getBoolean("inflight.coordinator.down-refused")
                && config.getString("akka.remote.artery.transport").endsWith("tcp");
    }

    /**
     * Only where it {@link #isUseful}.
     *
     * @param downed told of every member that was downed
     */
    public static Behavior<Event> create(Runnable downed) {
        return Behaviors.setup(context -> {
            Cluster cluster = Cluster.get(context.getSystem());
            cluster.subscriptions()
                    .tell(Subscribe.create(
                            context.messageAdapter(
                                    ClusterEvent.UnreachableMember.class, event -> unreachable(event.member())),
                            ClusterEvent.UnreachableMember.class));
            return create(DeadProcesses::refuses, cluster::state, cluster.manager(), downed);
        });
    }

    /** The same with another network and another cluster; {@link #unreachable} is what the latter says. */
    static Behavior<Event> create(
            Probe probe, Supplier<CurrentClusterState> cluster, ActorRef<? super Down> manager, Runnable downed) {
        return Behaviors.setup(context ->
                Behaviors.withTimers(timers -> new DeadProcesses(context, timers, probe, cluster, manager, downed)));
    }

    static Event unreachable(Member member) {
        return new Unreachable(member, 0);
    }

    @Override
    public Receive<Event> createReceive() {
        return newReceiveBuilder()
                .onMessage(Unreachable.class, this::onUnreachable)
                .onMessage(Refused.class, this::onRefused)
                .build();
    }

    private Behavior<Event> onUnreachable(Unreachable unreachable) {
        Member member = unreachable.member();
        ActorRef<Event> self = getContext().getSelf();
        Thread.ofVirtual().name("probe-" + member.address()).start(() -> {
            if (probe.refused(member.address())) {
                self.tell(new Refused(member, unreachable.looked() + 1));
            }
        });
        return this;
    }

    private Behavior<Event> onRefused(Refused refused) {
        Member member = refused.member();
        CurrentClusterState state = cluster.get();
        if (!state.getUnreachable().contains(member) || !Majority.isReachable(state)) {
            // Either it has come back at the same address, or what is known here lags behind the news that it is
            // silent.
            lookAgain(refused);
            return this;
        }
        getContext()
                .getLog()
                .warn("{} is silent and its machine refuses connections to it: it is taken for dead", member.address());
        manager.tell(new Down(member.address()));
        downed.run();
        return this;
    }

    private void lookAgain(Refused refused) {
        if (refused.looked() < MOST_LOOKS) {
            Member member = refused.member();
            timers.startSingleTimer(member.uniqueAddress(), new Unreachable(member, refused.looked()), AGAIN);
        }
    }

    static boolean refuses(Address member) {
        Optional<InetSocketAddress> address =
                member.getHost().flatMap(host -> member.getPort().map(port -> new InetSocketAddress(host, port)));
        if (address.isEmpty()) {
            return false;
        }
        try (Socket socket = new Socket()) {
            socket.connect(address.get(), Math.toIntExact(CONNECT_TIMEOUT.toMillis()));
            return false;
        } catch (ConnectException e) {
            // The same exception says that a host did not answer in time.
            return String.valueOf(e.getMessage()).toLowerCase(Locale.ROOT).contains("refused");
        } catch (IOException e) {
            return false;
        }
    }
}
