package dev.inflight.worker.update;

import dev.inflight.protocol.cluster.Strategy;
import dev.inflight.protocol.cluster.WorkerCommand.Prepare;
import dev.inflight.protocol.cluster.WorkerEvent.StageReport;
import dev.inflight.protocol.link.WorkerMessage;
import dev.inflight.worker.link.EngineSession;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** An update of which nothing is sent: the engine takes back what stands by in it. */
final class StandbySwap {
    private StandbySwap() {}

    static boolean isWanted(Prepare order) {
        return order.strategy() == Strategy.STANDBY;
    }

    /** All that the members must agree on is the checkpoint. */
    static String agreement(Prepare order) {
        return order.checkpoint().digest();
    }

    static WorkerMessage.Begin begin(Prepare order) {
        var target = order.checkpoint();
        return new WorkerMessage.Begin(
                order.epoch(),
                target.model(),
                target.version(),
                target.digest(),
                order.mode(),
                target.tensors(),
                target.bytes(),
                List.of(),
                true);
    }

    /** @throws UpdateException if the engine refuses or does not answer */
    static StageReport end(Prepare order, EngineSession engine, Duration timeout) throws InterruptedException {
        long start = System.nanoTime();
        EngineAnswers.await("end", engine, engine.end(new WorkerMessage.End(order.epoch())), timeout);
        return new StageReport(0, 0, 0, 0, TimeUnit.NANOSECONDS.toMicros(System.nanoTime() - start), 0, 0);
    }
}
