package dev.inflight.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.link.EngineMessage;
import dev.inflight.protocol.link.EngineMessage.Begun;
import dev.inflight.protocol.link.EngineMessage.Committed;
import dev.inflight.protocol.link.EngineMessage.Ended;
import dev.inflight.protocol.link.EngineMessage.Failed;
import dev.inflight.protocol.link.EngineShare;
import dev.inflight.protocol.link.WorkerMessage.Begin;
import dev.inflight.protocol.link.WorkerMessage.Commit;
import dev.inflight.protocol.link.WorkerMessage.End;
import java.util.EnumSet;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Requests that outlast the drain timeout, on an engine with a checkpoint of no tensors. */
class DrainTest {
    private final RequestGate gate = new RequestGate(0, 0);
    private final WeightUpdates updates = new WeightUpdates(
            new EngineState("m", EnumSet.allOf(LoadMode.class)),
            gate,
            new Parameters(false, WarmMemory.touch(0)),
            EngineShare.ALL,
            () -> 0);

    @Test
    void anInPlaceUpdateDoesNotBeginWhileRequestsStillRun() throws Exception {
        serveFirstVersion();
        RequestGate.Pass slow = gate.enter();

        assertRefused(begin(2, LoadMode.IN_PLACE));
        assertThat(updates.status().state()).isEqualTo(EngineStatus.State.SERVING);
        assertThat(updates.serving()).isNotNull();
        gate.enter().close();

        slow.close();
        assertThat(begin(3, LoadMode.IN_PLACE)).isInstanceOf(Begun.class);
    }

    @Test
    void aCommitThatRequestsHeldUpCanBeAskedForAgain() throws Exception {
        serveFirstVersion();
        assertThat(begin(2, LoadMode.SHADOW)).isInstanceOf(Begun.class);
        assertThat(updates.end(new End(2))).isInstanceOf(Ended.class);
        RequestGate.Pass slow = gate.enter();

        assertRefused(updates.commit(new Commit(2, "v2")));
        assertThat(updates.serving().version().name()).isEqualTo("v1");
        gate.enter().close();

        slow.close();
        assertThat(updates.commit(new Commit(2, "v2"))).isInstanceOf(Committed.class);
        assertThat(updates.serving().version().name()).isEqualTo("v2");
    }

    private void serveFirstVersion() {
        assertThat(begin(1, LoadMode.IN_PLACE)).isInstanceOf(Begun.class);
        assertThat(updates.end(new End(1))).isInstanceOf(Ended.class);
        assertThat(updates.commit(new Commit(1, "v1"))).isInstanceOf(Committed.class);
    }

    private EngineMessage begin(long epoch, LoadMode mode) {
        return updates.begin(new Begin(epoch, "m", "v" + epoch, "digest", mode, 0, 0, List.of()));
    }

    private static void assertRefused(EngineMessage answer) {
        assertThat(answer)
                .isInstanceOfSatisfying(
                        Failed.class,
                        failed -> assertThat(failed.message()).startsWith("1 requests are still running after 0 ms"));
    }
}
