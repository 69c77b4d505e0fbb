package dev.inflight.tests.network;

import dev.inflight.tests.network.JoinLosses.Loss;
import dev.inflight.tests.network.JoinLosses.Meeting;
import dev.inflight.tests.network.JoinLosses.Phase;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Losses in joins, in whatever phase, by kill or by network: the join ends in time, nobody else notices, and who comes back
 * joins. Takes minutes.
 */
@Tag("heavy")
class JoinLossIT {
    private static Namespaces network;
    private static JoinLosses losses;

    @BeforeAll
    static void start() throws Exception {
        network = Namespaces.require("losses in joins");
        losses = JoinLosses.start(network);
    }

    @AfterAll
    static void stop() throws Exception {
        if (losses != null) {
            losses.close();
        }
        if (network != null) {
            network.close();
        }
    }

    @Test
    void ofTheEngineOrTheHostThatJoins() throws Exception {
        losses.outlives(List.of(
                new Meeting(Loss.ENGINE_KILLED, Phase.PREPARING),
                new Meeting(Loss.ENGINE_KILLED, Phase.BEGINNING),
                new Meeting(Loss.ENGINE_KILLED, Phase.STREAMING),
                new Meeting(Loss.JOINER_KILLED, Phase.BEGINNING),
                new Meeting(Loss.JOINER_CUT_OFF, Phase.STREAMING),
                new Meeting(Loss.ENGINE_KILLED, Phase.COMMITTING)));
    }

    @Test
    void ofASource() throws Exception {
        losses.outlives(List.of(new Meeting(Loss.SOURCE_KILLED, Phase.STREAMING)));
    }

    @ParameterizedTest
    @EnumSource(names = {"JOINER_KILLED", "JOINER_CUT_OFF"})
    void ofTheHostThatJoinsInEachPhase(Loss loss) throws Exception {
        losses.outlives(
                Stream.of(Phase.values()).map(phase -> new Meeting(loss, phase)).toList());
    }

    @ParameterizedTest
    @EnumSource
    void ofASourceByKill(Phase phase) throws Exception {
        losses.outlives(List.of(new Meeting(Loss.SOURCE_KILLED, phase)));
    }

    @ParameterizedTest
    @EnumSource
    void ofASourceByItsNetwork(Phase phase) throws Exception {
        losses.outlives(List.of(new Meeting(Loss.SOURCE_CUT_OFF, phase)));
    }
}
