package dev.inflight.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
class RequestGateTest {
    private static final long PATIENCE_MS = TimeUnit.MINUTES.toMillis(1);

    private final RequestGate gate = new RequestGate(PATIENCE_MS, PATIENCE_MS);

    @Test
    void anEngineWithoutWeightsTurnsRequestsAwayAtOnce() {
        assertThatThrownBy(gate::enter).hasMessage("this engine has no weights yet");
    }

    @Test
    void pauseReturnsOnlyWhenRunningRequestsHaveFinished() throws Exception {
        gate.resume();
        RequestGate.Pass running = gate.enter();
        CountDownLatch paused = new CountDownLatch(1);
        FutureTask<Void> pause = new FutureTask<>(() -> {
            gate.pause();
            paused.countDown();
            return null;
        });
        Thread pausing = Thread.ofVirtual().start(pause);
        awaitParked(pausing);
        assertThat(paused.getCount()).isOne();
        running.close();
        paused.await();
    }

    @Test
    void requestsThatMeetAPauseWaitAndAreThenServed() throws Exception {
        gate.pause();
        FutureTask<String> request = new FutureTask<>(() -> {
            try (RequestGate.Pass pass = gate.enter()) {
                return "served";
            }
        });
        Thread waiting = Thread.ofVirtual().start(request);
        awaitParked(waiting);
        assertThat(request.isDone()).isFalse();
        gate.resume();
        assertThat(request.get()).isEqualTo("served");
    }

    @Test
    void aPauseWaitsNoLongerThanTheDrainTimeoutAndThenLetsRequestsInAgain() throws Exception {
        RequestGate impatient = new RequestGate(PATIENCE_MS, 0);
        impatient.resume();
        RequestGate.Pass first = impatient.enter();
        RequestGate.Pass second = impatient.enter();

        assertThatThrownBy(impatient::pause)
                .isInstanceOf(Refusal.class)
                .hasMessageStartingWith("2 requests are still running after 0 ms");

        impatient.enter().close();
        first.close();
        second.close();
        impatient.pause();
    }

    @Test
    void aRequestWaitsNoLongerThanThePauseTimeout() throws Exception {
        RequestGate impatient = new RequestGate(1, PATIENCE_MS);
        impatient.pause();
        assertThatThrownBy(impatient::enter).hasMessage("paused for new weights for longer than 1 ms");
    }

    private static void awaitParked(Thread thread) {
        while (thread.getState() != Thread.State.WAITING && thread.getState() != Thread.State.TIMED_WAITING) {
            Thread.onSpinWait();
        }
    }
}
