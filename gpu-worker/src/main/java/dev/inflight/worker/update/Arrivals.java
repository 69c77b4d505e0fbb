package dev.inflight.worker.update;

import dev.inflight.worker.transport.SlotRange;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Hand-over from the stages that bring buckets to the one that reloads them, one place per bucket. Thread-safe. */
final class Arrivals implements StallWait {
    private final CompletableFuture<@Nullable Arrival>[] arrivals;
    private volatile boolean heldUp;
    private volatile int resumptions;
    private volatile long heldOnUntil = System.nanoTime();

    /**
     * A bucket that is verified and readable.
     *
     * @param slot the engine's number of the slot it lies in
     * @param offset its first byte in the slot
     * @param release gives the slot back
     */
    record Arrival(int slot, long offset, Runnable release) {}

    @SuppressWarnings({"unchecked", "rawtypes"})
    Arrivals(int buckets) {
        arrivals = Stream.generate(CompletableFuture::new).limit(buckets).toArray(CompletableFuture[]::new);
    }

    /** @param firstSlot the engine's number of the slot that {@code at} counts from */
    void arrived(int bucket, SlotRange at, int firstSlot, Runnable release) {
        arrivals[bucket].complete(new Arrival(firstSlot + at.slot(), at.offset(), release));
    }

    /** The bucket will not come, if it has not yet, since its owner was lost. */
    void lost(int bucket) {
        arrivals[bucket].complete(null);
    }

    @Override
    public synchronized void holdUp(boolean now) {
        if (heldUp && !now) {
            resumptions++;
        }
        heldUp = now;
    }

    @Override
    public void holdOn(Duration time) {
        heldOnUntil = System.nanoTime() + time.toNanos();
    }

    /** Ends the wait for every bucket that has not come. */
    void fail(UpdateException reason) {
        for (var arrival : arrivals) {
            arrival.completeExceptionally(reason);
        }
    }

    /**
     * @return null if its owner was lost before it came
     * @throws UpdateException if the bucket has not come after {@code patience}, or the one given to {@link #fail}
     */
    @Nullable
    Arrival await(int bucket, Duration patience) throws InterruptedException {
        long left = patience.toNanos();
        while (true) {
            int resumed = resumptions;
            try {
                return arrivals[bucket].get(left, TimeUnit.NANOSECONDS);
            } catch (TimeoutException e) {
                boolean anew = heldUp || resumed != resumptions;
                left = anew ? patience.toNanos() : heldOnUntil - System.nanoTime();
                if (left <= 0) {
                    throw new UpdateException(
                            "bucket " + bucket + " did not come within " + patience.toMillis() + " ms", null);
                }
            } catch (ExecutionException e) {
                throw e.getCause() instanceof UpdateException failure ? failure : new IllegalStateException(e);
            }
        }
    }
}
