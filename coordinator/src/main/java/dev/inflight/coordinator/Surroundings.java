package dev.inflight.coordinator;

import akka.actor.typed.ActorSystem;
import akka.cluster.typed.Cluster;
import dev.inflight.coordinator.fleet.Majority;
import java.time.Duration;

/** What a coordinator's node knows of its cluster. */
public interface Surroundings {
    /** Those of a node that is a member. */
    Surroundings CLUSTER = new Surroundings() {
        @Override
        public boolean reachesMajority(ActorSystem<?> system) {
            return Majority.isReachable(Cluster.get(system).state());
        }

        @Override
        public boolean isSettled(ActorSystem<?> system) {
            return Duration.ofSeconds(system.uptime()).compareTo(LONG_ENOUGH) >= 0;
        }
    };

    /** For a new node to hear of all hosts and workers that are registered, many times over. */
    Duration LONG_ENOUGH = Duration.ofSeconds(10);

    /** For hosts and workers that are known to report. */
    Duration TO_REPORT = Duration.ofSeconds(1);

    /** Whether it is on the side of the cluster that goes on. */
    boolean reachesMajority(ActorSystem<?> system);

    /** Whether it has been up for so long that who is not known to it is gone rather than late. */
    boolean isSettled(ActorSystem<?> system);

    /**
     * How long a coordinator that begins waits for those that do not report.
     *
     * @param window where they may be late
     */
    default Duration patience(ActorSystem<?> system, Duration window) {
        return isSettled(system) && TO_REPORT.compareTo(window) < 0 ? TO_REPORT : window;
    }
}
