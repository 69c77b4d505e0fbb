package dev.inflight.tests.multijvm;

import akka.actor.ActorSystem;
import akka.actor.typed.javadsl.Adapter;
import akka.cluster.Cluster;
import akka.cluster.MemberStatus;
import akka.remote.testconductor.RoleName;
import akka.remote.testkit.MultiNodeConfig;
import akka.remote.testkit.MultiNodeSpec;
import com.typesafe.config.Config;
import dev.inflight.tests.Eventually;
import java.time.Duration;
import java.util.Arrays;
import java.util.Set;
import java.util.stream.StreamSupport;
import scala.collection.immutable.Seq;
import scala.concurrent.Await;
import scala.concurrent.Future;
import scala.jdk.javaapi.CollectionConverters;

/**
 * Java face of Akka's MultiNodeSpec. Every JVM of a {@link MultiJvm} run makes one and plays the role of its number; the
 * first role also runs the test conductor.
 */
public abstract class MultiNodeJavaSpec extends MultiNodeSpec {
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    /** Roles and configuration of a spec. */
    public static class Roles extends MultiNodeConfig {
        /** @param common what all nodes share; not the outcome of {@code ConfigFactory.load()}, which would win over all */
        protected void common(Config common) {
            commonConfig(common);
            // Lets the conductor cut connections.
            testTransport(true);
        }
    }

    /** @param system name of the actor systems */
    protected MultiNodeJavaSpec(Roles roles, String system) {
        super(roles, config -> ActorSystem.create(system, config));
    }

    /** What this node does, according to its role. */
    protected abstract void play() throws Exception;

    @Override
    public int initialParticipants() {
        return roles().size();
    }

    protected final akka.actor.typed.ActorSystem<Void> typedSystem() {
        return Adapter.toTyped(system());
    }

    protected final boolean plays(RoleName role) {
        return myself().equals(role);
    }

    /** Waits for all nodes that are still alive. */
    protected final void barrier(String name) {
        enterBarrier(seq(name));
    }

    protected final <T> T await(Future<T> future) throws Exception {
        return Await.result(future, scala.concurrent.duration.Duration.fromNanos(PATIENCE.toNanos()));
    }

    /** Joins the cluster that {@code seed} forms and returns when every node of the spec is up in it. */
    protected final void joinAll(RoleName seed) {
        Cluster cluster = Cluster.get(system());
        cluster.join(node(seed).address());
        Eventually.until(roles().size() + " members are up", PATIENCE, () -> up(cluster) == roles().size());
        barrier("cluster-formed");
    }

    /** Members of the cluster that are up, as this node sees it. */
    protected static long up(Cluster cluster) {
        return StreamSupport.stream(cluster.state().getMembers().spliterator(), false)
                .filter(member ->
                        Set.of(MemberStatus.up(), MemberStatus.weaklyUp()).contains(member.status()))
                .count();
    }

    @SafeVarargs
    private static <T> Seq<T> seq(T... elements) {
        return CollectionConverters.asScala(Arrays.asList(elements)).toSeq();
    }
}
