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
    private final RequestGate gate = new RequestGate(TimeUnit.MINUTES.toMillis(1));

    @Test
    void anEngineWithoutWeightsTurnsRequestsAwayAtOnce() {
        assertThatThrownBy(gate::enter).hasMessage("this engine has no weights yet");
    }

    @Test
    void pauseReturnsOnlyWhenRunningRequestsHaveFinished() throws Exception {
        gate.resume();
        RequestGate.Pass running = gate.enter();
        CountDownLatch paused = new CountDownLatch(1);
        Thread pausing = Thread.ofVirtual().start(() -> {
            gate.pause();
            paused.countDown();
        });
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
    void aRequestWaitsNoLongerThanThePauseTimeout() {
        RequestGate impatient = new RequestGate(1);
        impatient.pause();
        assertThatThrownBy(impatient::enter).hasMessage("paused for new weights for longer than 1 ms");
    }

    private static void awaitParked(Thread thread) {
        while (thread.getState() != Thread.State.WAITING && thread.getState() != Thread.State.TIMED_WAITING) {
            Thread.onSpinWait();
        }
    }
}
