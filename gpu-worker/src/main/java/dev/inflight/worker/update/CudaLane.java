package dev.inflight.worker.update;

import dev.inflight.worker.cuda.CudaContext;
import dev.inflight.worker.cuda.CudaEvent;
import dev.inflight.worker.cuda.CudaStream;
import dev.inflight.worker.cuda.CudaTimeoutException;
import dev.inflight.worker.device.CudaDevice;
import java.time.Duration;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One stage's stream on a GPU, and when its copies ran. Closing it waits for what was queued, so that the memory
 * behind it may then be given back.
 */
final class CudaLane implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(CudaLane.class);
    private static final Duration DRAIN = Duration.ofSeconds(10);

    private final CudaContext context;
    private final CudaStream stream;
    private final Consumer<CudaStream> giveBack;
    /** Done at {@code originNanos}: ties the GPU's clock to ours. */
    private final CudaEvent origin;

    private final long originNanos;

    /** On one of the device's idle streams. */
    CudaLane(CudaDevice device) {
        this(device.context(), device.takeStream(), device::giveBack);
    }

    /** On a stream of its own, for work that may leave it in an odd state. */
    CudaLane(CudaContext context) {
        this(context, context.newStream(), CudaStream::close);
    }

    private CudaLane(CudaContext context, CudaStream stream, Consumer<CudaStream> giveBack) {
        this.context = context;
        this.stream = stream;
        this.giveBack = giveBack;
        this.origin = context.newEvent();
        stream.record(origin);
        stream.synchronize();
        this.originNanos = System.nanoTime();
    }

    CudaStream stream() {
        return stream;
    }

    /** Marks the begin of some copies. */
    Copies begin() {
        var copies = new Copies(context.newEvent(), context.newEvent());
        stream.record(copies.begun);
        return copies;
    }

    @Override
    public void close() {
        try (var last = context.newEvent()) {
            stream.record(last);
            last.await(DRAIN);
        } catch (CudaTimeoutException e) {
            LOG.error(
                    "copies to {} do not end; their stream stays open",
                    context.gpu().uuid(),
                    e);
            return;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            stream.synchronize();
        }
        origin.close();
        giveBack.accept(stream);
    }

    /** Copies queued one after the other. */
    final class Copies implements AutoCloseable {
        private final CudaEvent begun;
        private final CudaEvent ended;

        Copies(CudaEvent begun, CudaEvent ended) {
            this.begun = begun;
            this.ended = ended;
        }

        /** Marks their end. */
        void end() {
            stream.record(ended);
        }

        /** Done when they are. */
        CudaEvent ended() {
            return ended;
        }

        void await(Duration patience) throws InterruptedException {
            ended.await(patience);
        }

        /** When the GPU ran them; only after they have ended. */
        Timeline.Span span() {
            return new Timeline.Span(nanos(begun), nanos(ended));
        }

        private long nanos(CudaEvent event) {
            return originNanos + (long) (event.millisSince(origin) * 1e6);
        }

        @Override
        public void close() {
            begun.close();
            ended.close();
        }
    }
}
