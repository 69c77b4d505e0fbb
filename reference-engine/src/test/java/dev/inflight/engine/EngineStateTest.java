package dev.inflight.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.inflight.engine.EngineState.State;
import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.link.WorkerMessage.Begin;
import dev.inflight.protocol.link.WorkerMessage.Commit;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class EngineStateTest {
    private final EngineState engine = new EngineState("m", EnumSet.allOf(LoadMode.class));

    @Test
    void aFreshEngineWaitsForWeights() {
        assertThat(engine.state()).isEqualTo(State.PENDING_WEIGHTS);
        assertThat(engine.serving()).isNull();
    }

    @Test
    void anInPlaceUpdateServesNothingUntilItsCommit() throws Refusal {
        serve(1, "v1");
        engine.begin(begin(2, "v2", LoadMode.IN_PLACE));
        assertThat(engine.label()).isEqualTo(EngineStatus.State.UPDATING);
        assertThat(engine.serving()).isNull();
        engine.end(2);
        assertThat(engine.state()).isEqualTo(State.STAGED_IN_PLACE);
        engine.commit(new Commit(2, "v2"));
        assertThat(engine.label()).isEqualTo(EngineStatus.State.SERVING);
        assertThat(engine.serving()).isEqualTo(new EngineState.Version("v2", "digest of v2"));
    }

    @Test
    void aShadowUpdateServesTheOldVersionUntilItsCommit() throws Refusal {
        serve(1, "v1");
        engine.begin(begin(2, "v2", LoadMode.SHADOW));
        engine.end(2);
        assertThat(engine.label()).isEqualTo(EngineStatus.State.SERVING);
        assertThat(engine.serving()).isEqualTo(new EngineState.Version("v1", "digest of v1"));
        engine.commit(new Commit(2, "v2"));
        assertThat(engine.serving()).isEqualTo(new EngineState.Version("v2", "digest of v2"));
    }

    @Test
    void anAbortedShadowUpdateLeavesTheOldVersion() throws Refusal {
        serve(1, "v1");
        engine.begin(begin(2, "v2", LoadMode.SHADOW));
        assertThat(engine.abort(2)).isNotNull();
        assertThat(engine.state()).isEqualTo(State.SERVING);
    }

    @Test
    void anAbortedInPlaceUpdateLeavesAMixtureThatIsNotServed() throws Refusal {
        serve(1, "v1");
        engine.begin(begin(2, "v2", LoadMode.IN_PLACE));
        assertThat(engine.abort(2)).isNotNull();
        assertThat(engine.state()).isEqualTo(State.PENDING_WEIGHTS);
        serve(3, "v1");
        assertThat(engine.state()).isEqualTo(State.SERVING);
    }

    @Test
    void losingTheLinkDropsTheUpdateEvenWhenStaged() throws Refusal {
        engine.begin(begin(1, "v1", LoadMode.SHADOW));
        engine.end(1);
        assertThat(engine.linkLost()).isNotNull();
        assertThat(engine.state()).isEqualTo(State.PENDING_WEIGHTS);
        assertThat(engine.linkLost()).isNull();
    }

    @Test
    void epochsNeverGoBack() throws Refusal {
        serve(5, "v1");
        assertThatThrownBy(() -> engine.begin(begin(5, "v2", LoadMode.SHADOW)))
                .hasMessage("epoch 5 is not above 5, the highest seen; a later update has begun");
        engine.begin(begin(6, "v2", LoadMode.SHADOW));
        engine.abort(6);
        assertThatThrownBy(() -> engine.begin(begin(6, "v2", LoadMode.SHADOW))).isInstanceOf(Refusal.class);
    }

    @Test
    void aRefusedBeginDoesNotUseUpItsEpoch() throws Refusal {
        assertThatThrownBy(() -> engine.begin(new Begin(7, "another", "v1", "d", LoadMode.SHADOW, 0, 0, List.of())))
                .hasMessage("begin names model \"another\"; this engine serves \"m\"");
        engine.begin(begin(7, "v1", LoadMode.SHADOW));
    }

    @Test
    void messagesOfAnotherEpochAreFencedOff() throws Refusal {
        engine.begin(begin(2, "v1", LoadMode.SHADOW));
        assertThatThrownBy(() -> engine.checkLoading(1)).hasMessage("epoch 1: the running update has epoch 2");
        assertThatThrownBy(() -> engine.end(3)).isInstanceOf(Refusal.class);
        assertThatThrownBy(() -> engine.commit(new Commit(1, "v1"))).isInstanceOf(Refusal.class);
        assertThat(engine.abort(1)).isNull();
        assertThat(engine.state()).isEqualTo(State.LOADING_SHADOW);
    }

    @Test
    void onlyAnEndedUpdateOfThatVersionIsCommitted() throws Refusal {
        engine.begin(begin(1, "v1", LoadMode.SHADOW));
        assertThatThrownBy(() -> engine.commit(new Commit(1, "v1")))
                .hasMessage("the update with epoch 1 has not ended; its weights are incomplete");
        engine.end(1);
        assertThatThrownBy(() -> engine.commit(new Commit(1, "v2"))).isInstanceOf(Refusal.class);
        assertThatThrownBy(() -> engine.checkLoading(1)).isInstanceOf(Refusal.class);
        engine.commit(new Commit(1, "v1"));
    }

    @Test
    void aSecondUpdateDoesNotDisturbTheRunningOne() throws Refusal {
        engine.begin(begin(1, "v1", LoadMode.SHADOW));
        assertThatThrownBy(() -> engine.begin(begin(2, "v2", LoadMode.SHADOW)))
                .hasMessage("the update with epoch 1 is still running; abort or commit it first");
        engine.end(1);
        engine.commit(new Commit(1, "v1"));
    }

    @Test
    void aModeThatWasNotOfferedIsRefused() {
        EngineState shadowOnly = new EngineState("m", Set.of(LoadMode.SHADOW));
        assertThatThrownBy(() -> shadowOnly.begin(begin(1, "v1", LoadMode.IN_PLACE)))
                .hasMessage("this engine does not load in-place");
    }

    private void serve(long epoch, String version) throws Refusal {
        engine.begin(begin(epoch, version, LoadMode.IN_PLACE));
        engine.end(epoch);
        engine.commit(new Commit(epoch, version));
    }

    private static Begin begin(long epoch, String version, LoadMode mode) {
        return new Begin(epoch, "m", version, "digest of " + version, mode, 0, 0, List.of());
    }
}
