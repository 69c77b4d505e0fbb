package dev.inflight.worker.verify;

import dev.inflight.protocol.cluster.Damage.Place;
import dev.inflight.protocol.cluster.VerifyPoint;
import dev.inflight.protocol.cluster.WorkerCommand.Prepare;
import dev.inflight.protocol.cluster.WorkerEvent.StageReport;
import dev.inflight.protocol.link.SliceException;
import dev.inflight.worker.link.EngineLinkException;
import dev.inflight.worker.link.EngineSession;
import dev.inflight.worker.store.StoredCheckpoint;
import dev.inflight.worker.update.UpdateContext;
import dev.inflight.worker.update.UpdateException;
import java.util.SortedSet;
import java.util.concurrent.TimeUnit;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/**
 * With {@code verify = engine}, compares what an engine has loaded with what was published, before the worker says that
 * it is staged. Blocks; for any thread but an actor's.
 */
public final class StagedVerifier {
    private static final int MOST_NAMES = 5;

    private final UpdateContext context;
    private final Prepare order;
    private final @Nullable EngineSession engine;
    private final LongConsumer compared;

    /**
     * @param engine the engine that takes the update, null if this worker only sends
     * @param compared told how many bytes were compared so far; must not block
     */
    public StagedVerifier(UpdateContext context, Prepare order, @Nullable EngineSession engine, LongConsumer compared) {
        this.context = context;
        this.order = order;
        this.engine = engine;
        this.compared = compared;
    }

    /**
     * Compares, if the order asks for it.
     *
     * @param report of the stream, on whose return the engine has loaded everything
     * @return the report with the time that it took
     * @throws UpdateException naming host, engine, file and tensor if something differs; the engine needs an abort then
     */
    public StageReport verified(StageReport report) throws InterruptedException {
        var staged = engine;
        if (staged == null || order.verify() == VerifyPoint.ARRIVAL) {
            return report;
        }
        long start = System.nanoTime();
        compare(staged);
        return report.verifiedInEngine(TimeUnit.NANOSECONDS.toMicros(System.nanoTime() - start));
    }

    private void compare(EngineSession staged) throws InterruptedException {
        var checkpoint =
                context.store().adopt(order.checkpoint(), context.peers().holders(order.membership()));
        var done = new long[1];
        try (var bytes = new EngineBytes(context.device(), staged, context.engineTimeout(), order.epoch())) {
            var differing = new EngineComparison(context, staged)
                    .compare(checkpoint, order.membership(), bytes, more -> compared.accept(done[0] += more))
                    .differing();
            if (!differing.isEmpty()) {
                context.store().damage().addFound(Place.ENGINE);
                throw new UpdateException(message(checkpoint, staged.hello().engine(), differing), null);
            }
        } catch (SliceException e) {
            throw new UpdateException(String.valueOf(e.getMessage()), null, e);
        } catch (UpdateException e) {
            // One that refuses is there, and the update must not go on as if it were not.
            throw e.getCause() instanceof EngineLinkException said && said.kind() == EngineLinkException.Kind.REFUSED
                    ? new UpdateException(String.valueOf(e.getMessage()), null, e)
                    : e;
        }
    }

    private static String message(StoredCheckpoint checkpoint, String engine, SortedSet<Integer> differing) {
        var layout = checkpoint.layout();
        var ref = checkpoint.ref();
        var text = new StringBuilder(checkpoint.host())
                .append(": engine ")
                .append(engine)
                .append(" has loaded bytes that are not what was published as ")
                .append(ref.model())
                .append(' ')
                .append(ref.version());
        String separator = ": ";
        for (int index : differing.stream().limit(MOST_NAMES).toList()) {
            var tensor = layout.tensors().get(index);
            text.append(separator)
                    .append(layout.files().get(tensor.file()).name())
                    .append(": tensor \"")
                    .append(tensor.name())
                    .append('"');
            separator = ", ";
        }
        if (differing.size() > MOST_NAMES) {
            text.append(" and ").append(differing.size() - MOST_NAMES).append(" more tensors");
        }
        return text.toString();
    }
}
