package dev.inflight.coordinator.simulation;

import static org.assertj.core.api.Assertions.assertThat;

import dev.inflight.coordinator.CoordinatorSettings;
import dev.inflight.coordinator.TestFleet;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

/**
 * Many random schedules, each from a seed. To run one of them again: {@code -Dsimulation.seed=SEED}; more or others:
 * {@code -Dsimulation.schedules=COUNT -Dsimulation.first=SEED}.
 */
class UpdateSimulationTest {
    private static final long SCHEDULES = Long.getLong("simulation.schedules", 10_000);
    private static final long FIRST = Long.getLong("simulation.first", 1);
    private static final CoordinatorSettings SETTINGS = TestFleet.settings("""
            inflight.coordinator {
              keep-versions = 100
              update {
                prepare-timeout = 2 s, begin-timeout = 2 s, stream-timeout = 6 s, commit-timeout = 3 s
                abort-timeout = 2 s, restore-timeout = 6 s, stall-timeout = 1 s
                resend-interval = 300 ms, recovery-window = 2 s, progress-interval = 60 s
              }
              join { retry-min = 300 ms, retry-max = 2 s }
              canary { patience = 10 s }
            }
            """);

    @Test
    void whateverFailsTheFleetBecomesWholeAndNoEngineEverServesAMixture() {
        Long seed = Long.getLong("simulation.seed");
        var failures = new ConcurrentLinkedQueue<String>();
        var seeds = seed == null ? LongStream.range(FIRST, FIRST + SCHEDULES) : LongStream.of(seed);
        seeds.parallel().forEach(one -> {
            if (failures.size() < Integer.getInteger("simulation.failures", 3)) {
                try {
                    Simulation.run(one, SETTINGS);
                } catch (Violation e) {
                    failures.add(e.getMessage());
                }
            }
        });
        assertThat(List.copyOf(failures)).isEmpty();
    }
}
