package dev.inflight.tests.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.inflight.tests.fleet.NodeProcess;
import dev.inflight.tests.fleet.ProcessFleet;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * The coordinator and the one that takes over are killed in every phase of an update, in both modes: it ends within 15 s
 * of the first death, with one version everywhere and no failed request. {@code KillMatrixIT} has one of these cases.
 */
@Tag("heavy")
class TwoCoordinatorsIT {
    private static final int HELD = 1;
    private static final List<KillRow> ROWS = new ArrayList<>();

    @SuppressWarnings("NullAway.Init")
    private static ProcessFleet fleet;

    private static String serving = "v1";

    @BeforeAll
    static void start() throws Exception {
        fleet = ProcessFleet.start("two-coordinators", 3, 2, KillMatrixIT.SETTINGS);
    }

    @AfterAll
    static void stop() throws Exception {
        try (ProcessFleet ending = fleet) {
            KillRow.write(ROWS, "two-coordinators");
        }
    }

    @ParameterizedTest
    @CsvSource({
        "PREPARING, in-place",
        "BEGINNING, in-place",
        "STREAMING, in-place",
        "STAGED, in-place",
        "COMMITTING, in-place",
        "PREPARING, shadow",
        "BEGINNING, shadow",
        "STREAMING, shadow",
        "STAGED, shadow",
        "COMMITTING, shadow"
    })
    void theUpdateEndsInTimeTheSameEverywhere(HeldPhase phase, String mode) throws Exception {
        String target = serving.equals("v1") ? "v2" : "v1";
        List<NodeProcess> doomed = List.of(fleet.coordinator(), fleet.standbys().getFirst());
        KillRow row = TwoCoordinators.kill(fleet, phase, HELD, mode, target, serving);
        ROWS.add(row);
        serving = row.version();
        for (NodeProcess dead : doomed) {
            // One after the other: the fleet goes by their age.
            fleet.restart(dead);
            fleet.awaitMembers();
        }
        row.requireInTimeAndUnnoticed();
        assertThat(row.outcome()).as("%s", row).isEqualTo(phase == HeldPhase.COMMITTING ? "committed" : "aborted");
    }
}
