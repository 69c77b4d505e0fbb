package dev.inflight.tests.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import dev.inflight.cli.client.Operation;
import dev.inflight.cli.load.LoadGenerator;
import dev.inflight.cli.load.LoadReport;
import dev.inflight.tests.fleet.EngineProcess;
import dev.inflight.tests.fleet.NodeProcess;
import dev.inflight.tests.fleet.ProcessFleet;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/**
 * SIGKILL of the coordinator, of a worker host and of an engine in every phase of an update: the update ends within 15 s,
 * with one version everywhere and no failed request to engines that live. Then the coordinator's machine answers nobody
 * any more, and last, the coordinator that takes over is killed as well. Modes take turns. What holds an update in its
 * phase is outside of the product: a stopped process, or an engine's answer that is kept back.
 */
class KillMatrixIT {
    private static final Duration LIMIT = Duration.ofSeconds(15);

    /** The longest wait of any profile for machines that do not answer; the local one waits less. */
    private static final List<String> SETTINGS = List.of("akka.cluster.split-brain-resolver.stable-after=5s");

    /** Exit code of a node that the split-brain resolver downed. */
    private static final int DOWNED = 255;

    /** Whose worker or engine is killed, and whose are in the way. */
    private static final int VICTIM = 1;

    private enum Phase {
        PREPARING,
        BEGINNING,
        STREAMING,
        STAGED,
        COMMITTING;

        String label() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    private enum Victim {
        COORDINATOR,
        ENGINE,
        WORKER;

        String label() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** @param victim in words */
    private record Row(
            Phase phase,
            String victim,
            String mode,
            String outcome,
            double seconds,
            String version,
            LoadReport requests) {
        @Override
        public String toString() {
            return String.format(
                    Locale.ROOT,
                    "%-10s  %-18s  %-8s  %-9s  %5.2f s  %s everywhere  %d requests, %d failed, %d mixed",
                    phase.label(),
                    victim,
                    mode,
                    outcome,
                    seconds,
                    version,
                    requests.sent(),
                    requests.failed(),
                    requests.mixed());
        }
    }

    private final List<Row> rows = new ArrayList<>();
    private String serving = "v1";

    @Test
    void whoeverIsKilledInWhicheverPhaseTheUpdateEndsInTimeTheSameEverywhere() throws Exception {
        try (ProcessFleet fleet = ProcessFleet.start("kill-matrix", 3, 2, SETTINGS)) {
            for (Phase phase : Phase.values()) {
                fleet.awaitMembers();
                for (Victim victim : Victim.values()) {
                    rows.add(kill(fleet, phase, victim));
                }
            }
            fleet.awaitMembers();
            rows.add(silenceCoordinator(fleet));
            fleet.awaitMembers();
            rows.add(killTwoCoordinators(fleet));
        } finally {
            List<String> lines = rows.stream().map(Row::toString).toList();
            lines.forEach(System.out::println);
            Files.write(
                    Files.createDirectories(Path.of("target", "kill-matrix")).resolve("table.txt"), lines);
        }
        assertThat(rows).hasSize(17).allSatisfy(row -> {
            assertThat(row.seconds()).as("%s", row).isLessThan(LIMIT.toSeconds());
            assertThat(row.requests().sent()).as("%s", row).isPositive();
            assertThat(row.requests().failed())
                    .as("%s: %s", row, row.requests().firstProblem())
                    .isZero();
            assertThat(row.requests().mixed())
                    .as("%s: %s", row, row.requests().firstProblem())
                    .isZero();
            boolean coordinator = row.victim().contains("coordinator");
            boolean unprepared = row.phase() == Phase.PREPARING && row.victim().equals(Victim.ENGINE.label());
            // A worker whose engine goes while it prepares refuses, unless it has said that it is prepared.
            assertThat(row.outcome())
                    .as("%s", row)
                    .isIn(
                            coordinator && row.phase() != Phase.COMMITTING
                                    ? Set.of("aborted")
                                    : unprepared ? Set.of("aborted", "committed") : Set.of("committed"));
        });
    }

    private Row kill(ProcessFleet fleet, Phase phase, Victim victim) throws Exception {
        String mode = (phase.ordinal() + victim.ordinal()) % 2 == 0 ? "in-place" : "shadow";
        List<EngineProcess> survivors =
                victim == Victim.COORDINATOR ? fleet.engines() : List.of(fleet.engine(1 - VICTIM));
        try (LoadGenerator clients = fleet.ask(survivors)) {
            String target = other(serving);
            String id = hold(fleet, phase, target, mode);
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
            if (victim == Victim.WORKER && phase == Phase.STREAMING) {
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
            return new Row(phase, victim.label(), mode, outcome(ended), seconds, serving, requests);
        }
    }

    /** Begins an update and returns when it is in the phase, in which it stays. */
    private static String hold(ProcessFleet fleet, Phase phase, String target, String mode) throws Exception {
        switch (phase) {
            case PREPARING -> fleet.worker(VICTIM).pause();
            case BEGINNING -> fleet.gate(VICTIM).shut("begun");
            case STREAMING -> fleet.gate(VICTIM).shut("loaded", "ended");
            case STAGED -> {
                // No majority of the coordinator nodes says that the update may commit.
                for (NodeProcess standby : fleet.standbys()) {
                    standby.pause();
                }
            }
            case COMMITTING -> fleet.gate(VICTIM).shut("committed");
        }
        String id = fleet.beginUpdate(target, mode);
        fleet.awaitPhase(id, phase.label());
        if (phase != Phase.PREPARING && phase != Phase.STAGED) {
            fleet.awaitHeld(VICTIM);
        }
        return id;
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
    private Row silenceCoordinator(ProcessFleet fleet) throws Exception {
        try (LoadGenerator clients = fleet.ask(fleet.engines())) {
            String id = hold(fleet, Phase.STREAMING, other(serving), "shadow");
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
            return new Row(Phase.STREAMING, "silent coordinator", "shadow", outcome(ended), seconds, serving, requests);
        }
    }

    /** The second one is killed as soon as it decides. The time counts from the first. */
    private Row killTwoCoordinators(ProcessFleet fleet) throws Exception {
        try (LoadGenerator clients = fleet.ask(fleet.engines())) {
            String id = hold(fleet, Phase.STREAMING, other(serving), "in-place");
            long begin = System.nanoTime();
            fleet.killCoordinator();
            fleet.awaitDecides(fleet.coordinator());
            fleet.killCoordinator();
            fleet.gate(VICTIM).open();
            Operation ended = fleet.awaitEnd(id);
            double seconds = (System.nanoTime() - begin) / 1e9;
            fleet.awaitServing(serving);
            LoadReport requests = clients.stop();
            return new Row(Phase.STREAMING, "two coordinators", "in-place", outcome(ended), seconds, serving, requests);
        }
    }

    /** Where all workers had ended it before the next coordinator came, there is no result. */
    private static String outcome(Operation ended) {
        JsonNode result = ended.result() == null ? MissingNode.getInstance() : ended.result();
        return result.path("outcome").asText(String.valueOf(ended.phase()));
    }

    private static String other(String version) {
        return version.equals("v1") ? "v2" : "v1";
    }
}
