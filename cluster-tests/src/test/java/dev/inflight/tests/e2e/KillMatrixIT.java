package dev.inflight.tests.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.inflight.cli.client.Operation;
import dev.inflight.cli.load.LoadGenerator;
import dev.inflight.cli.load.LoadReport;
import dev.inflight.tests.fleet.EngineProcess;
import dev.inflight.tests.fleet.NodeProcess;
import dev.inflight.tests.fleet.ProcessFleet;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/**
 * SIGKILL of the coordinator, of a worker host and of an engine in every phase of an update: the update ends within 15 s,
 * with one version everywhere and no failed request to engines that live. Then the coordinator's machine answers nobody
 * any more, and last, the coordinator that takes over is killed as well; {@link TwoCoordinatorsIT} does that in every
 * phase. Modes take turns.
 */
class KillMatrixIT {
    /** The longest wait of any profile for machines that do not answer; the local one waits less. */
    static final List<String> SETTINGS = List.of("akka.cluster.split-brain-resolver.stable-after=5s");

    /** Exit code of a node that the split-brain resolver downed. */
    private static final int DOWNED = 255;

    /** Whose worker or engine is killed, and whose are in the way. */
    private static final int VICTIM = 1;

    private enum Victim {
        COORDINATOR,
        ENGINE,
        WORKER;

        String label() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    private final List<KillRow> rows = new ArrayList<>();
    private String serving = "v1";

    @Test
    void whoeverIsKilledInWhicheverPhaseTheUpdateEndsInTimeTheSameEverywhere() throws Exception {
        try (ProcessFleet fleet = ProcessFleet.start("kill-matrix", 3, 2, SETTINGS)) {
            for (HeldPhase phase : HeldPhase.values()) {
                fleet.awaitMembers();
                for (Victim victim : Victim.values()) {
                    rows.add(kill(fleet, phase, victim));
                }
            }
            fleet.awaitMembers();
            rows.add(silenceCoordinator(fleet));
            fleet.awaitMembers();
            rows.add(TwoCoordinators.kill(fleet, HeldPhase.STREAMING, VICTIM, "in-place", other(serving), serving));
        } finally {
            KillRow.write(rows, "kill-matrix");
        }
        assertThat(rows).hasSize(17).allSatisfy(row -> {
            row.requireInTimeAndUnnoticed();
            boolean coordinator = row.victim().contains("coordinator");
            boolean unprepared =
                    row.phase() == HeldPhase.PREPARING && row.victim().equals(Victim.ENGINE.label());
            // A worker whose engine goes while it prepares refuses, unless it has said that it is prepared.
            assertThat(row.outcome())
                    .as("%s", row)
                    .isIn(
                            coordinator && row.phase() != HeldPhase.COMMITTING
                                    ? Set.of("aborted")
                                    : unprepared ? Set.of("aborted", "committed") : Set.of("committed"));
        });
    }

    private KillRow kill(ProcessFleet fleet, HeldPhase phase, Victim victim) throws Exception {
        String mode = (phase.ordinal() + victim.ordinal()) % 2 == 0 ? "in-place" : "shadow";
        List<EngineProcess> survivors =
                victim == Victim.COORDINATOR ? fleet.engines() : List.of(fleet.engine(1 - VICTIM));
        try (LoadGenerator clients = fleet.ask(survivors)) {
            String target = other(serving);
            String id = phase.hold(fleet, VICTIM, target, mode);
            long begin = System.nanoTime();
            NodeProcess dead = end(fleet, victim);
            if (victim != Victim.WORKER) {
                fleet.worker(VICTIM).resume();
            }
            for (NodeProcess standby : fleet.standbys()) {
                standby.resume();
            }
            fleet.coordinator().resume();
            fleet.gate(VICTIM).open();
            Operation ended = fleet.awaitEnd(id);
            double seconds = (System.nanoTime() - begin) / 1e9;
            serving = ended.succeeded() ? target : serving;
            fleet.requireServing(serving, survivors);
            LoadReport requests = clients.stop();
            if (victim == Victim.WORKER && phase == HeldPhase.STREAMING) {
                // What it still had to send came from another host.
                assertThat(ended.result().at("/repair/owners/0").asText())
                        .as("%s", ended)
                        .startsWith(fleet.worker(VICTIM).name());
                assertThat(ended.result().at("/repair/standIns"))
                        .as("%s", ended)
                        .isNotEmpty();
            }
            bringBack(fleet, victim, dead);
            fleet.awaitServing(serving);
            return KillRow.of(phase, victim.label(), mode, ended, seconds, serving, requests);
        }
    }

    private static @Nullable NodeProcess end(ProcessFleet fleet, Victim victim) {
        return switch (victim) {
            case COORDINATOR -> fleet.killCoordinator();
            case WORKER -> {
                fleet.worker(VICTIM).kill();
                yield null;
            }
            case ENGINE -> {
                fleet.engine(VICTIM).kill();
                yield null;
            }
        };
    }

    private static void bringBack(ProcessFleet fleet, Victim victim, @Nullable NodeProcess dead) throws Exception {
        switch (victim) {
            case COORDINATOR -> {
                if (dead != null) {
                    fleet.restart(dead);
                }
            }
            case WORKER -> {
                fleet.restartWorker(VICTIM);
                fleet.awaitAttached();
            }
            case ENGINE -> {
                fleet.restartEngine(VICTIM);
                fleet.awaitAttached();
            }
        }
    }

    /**
     * The coordinator stops as if its machine had: connections to it are taken and nobody answers. When it goes on it is
     * no member any more, has nothing to say, and ends.
     */
    private KillRow silenceCoordinator(ProcessFleet fleet) throws Exception {
        try (LoadGenerator clients = fleet.ask(fleet.engines())) {
            String id = HeldPhase.STREAMING.hold(fleet, VICTIM, other(serving), "shadow");
            long begin = System.nanoTime();
            NodeProcess silent = fleet.pauseCoordinator();
            Operation ended = fleet.awaitEnd(id);
            double seconds = (System.nanoTime() - begin) / 1e9;
            silent.resume();
            fleet.gate(VICTIM).open();
            assertThat(silent.awaitExit()).isEqualTo(DOWNED);
            fleet.requireServing(serving, fleet.engines());
            LoadReport requests = clients.stop();
            fleet.restart(silent);
            fleet.awaitServing(serving);
            return KillRow.of(HeldPhase.STREAMING, "silent coordinator", "shadow", ended, seconds, serving, requests);
        }
    }

    private static String other(String version) {
        return version.equals("v1") ? "v2" : "v1";
    }
}
