package dev.inflight.cli.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigParseOptions;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What the settings of a profile add up to, from the loss of the coordinator's machine until its successor decides. */
class TakeOverTimeTest {
    private static final Duration LIMIT = Duration.ofSeconds(15);

    /** Standard deviations from the mean at which the failure detector's phi reaches 8. */
    private static final int DEVIATIONS = 6;

    /** How often the split-brain resolver looks whether the cluster is stable. */
    private static final Duration RESOLVER_TICK = Duration.ofSeconds(1);

    /** The ledger is read, hosts and workers report. */
    private static final Duration RECOVERY = Duration.ofSeconds(1);

    @ParameterizedTest
    @ValueSource(strings = {"local", "cluster"})
    void endsAnUpdateWithinItsBound(String profile) {
        Config cluster = ConfigFactory.parseFile(
                        Path.of("..", "config", profile + ".conf").toFile(),
                        ConfigParseOptions.defaults().setAllowMissing(false))
                .withFallback(ConfigFactory.parseString("INFLIGHT_HOST = here"))
                .withFallback(ConfigFactory.load())
                .resolve()
                .getConfig("akka.cluster");

        Duration detected = cluster.getDuration("failure-detector.heartbeat-interval")
                .plus(cluster.getDuration("failure-detector.acceptable-heartbeat-pause"))
                .plus(cluster.getDuration("failure-detector.min-std-deviation").multipliedBy(DEVIATIONS))
                .plus(cluster.getDuration("unreachable-nodes-reaper-interval"));
        Duration decided =
                cluster.getDuration("split-brain-resolver.stable-after").plus(RESOLVER_TICK);
        Duration removed = cluster.getDuration("gossip-interval")
                .multipliedBy(2)
                .plus(cluster.getDuration("leader-actions-interval"));
        Duration takenOver = cluster.getDuration("down-removal-margin").plus(RECOVERY);

        assertThat(detected.plus(decided).plus(removed).plus(takenOver))
                .as("detected %s, decided %s, removed %s, taken over %s", detected, decided, removed, takenOver)
                .isLessThan(LIMIT);
        // Of a process that was killed; twice that is what the loss of two coordinators in a row takes.
        assertThat(detected.plus(removed).plus(takenOver).multipliedBy(2)).isLessThan(LIMIT);
    }
}
