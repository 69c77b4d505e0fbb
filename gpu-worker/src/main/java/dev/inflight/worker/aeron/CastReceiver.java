package dev.inflight.worker.aeron;

import io.aeron.Image;
import io.aeron.Subscription;
import io.aeron.logbuffer.ControlledFragmentHandler;
import io.aeron.logbuffer.Header;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.BooleanSupplier;
import org.agrona.DirectBuffer;
import org.jspecify.annotations.Nullable;

/**
 * The receiving end of one cast. What is not read yet holds the sender back. For one thread; {@link #close} may come
 * from another.
 */
public final class CastReceiver implements AutoCloseable {
    private static final int FRAGMENTS = 64;

    private final Subscription subscription;
    private final Image image;
    private final LongAdder received;

    private CastReceiver(Subscription subscription, Image image, LongAdder received) {
        this.subscription = subscription;
        this.image = image;
        this.received = received;
    }

    static CastReceiver open(Subscription subscription, Duration timeout, LongAdder received)
            throws CastLostException, InterruptedException {
        try {
            long deadline = System.nanoTime() + timeout.toNanos();
            while (subscription.imageCount() == 0) {
                if (System.nanoTime() - deadline > 0) {
                    throw new CastLostException("nothing came from " + subscription.channel() + " within "
                            + timeout.toMillis() + " ms; does UDP pass?");
                }
                Thread.sleep(1);
            }
            return new CastReceiver(subscription, subscription.imageAtIndex(0), received);
        } catch (CastLostException | RuntimeException | InterruptedException e) {
            subscription.close();
            throw e;
        }
    }

    /**
     * Lands the next bucket of the cast.
     *
     * @param target as long as the bucket
     * @param silence longest time in which nothing comes
     * @param givenUp whether to end at once
     * @throws CastLostException if the sender is gone or silent, fell out of step, or this fell behind
     */
    public void read(int bucket, MemorySegment target, Duration silence, BooleanSupplier givenUp)
            throws CastLostException, InterruptedException {
        var landing = new BucketLanding(bucket, target);
        var idle = AeronNode.patientIdle();
        long heard = System.nanoTime();
        while (landing.filled < target.byteSize()) {
            int fragments = image.controlledPoll(landing, FRAGMENTS);
            if (landing.broken != null) {
                throw new CastLostException(landing.broken);
            }
            if (fragments > 0) {
                heard = System.nanoTime();
                idle.reset();
                continue;
            }
            if (image.isClosed() || image.isEndOfStream()) {
                throw new CastLostException("the cast ended in bucket " + bucket);
            }
            if (Thread.interrupted()) {
                throw new InterruptedException("interrupted while receiving bucket " + bucket);
            }
            if (givenUp.getAsBoolean() || System.nanoTime() - heard > silence.toNanos()) {
                throw new CastLostException("nothing of bucket " + bucket + " came for "
                        + Duration.ofNanos(System.nanoTime() - heard).toMillis() + " ms");
            }
            idle.idle();
        }
        received.add(target.byteSize());
    }

    /** Takes fragments of one bucket in order and none of the next. */
    private static final class BucketLanding implements ControlledFragmentHandler {
        final int bucket;
        final MemorySegment target;
        long filled;

        @Nullable
        String broken;

        BucketLanding(int bucket, MemorySegment target) {
            this.bucket = bucket;
            this.target = target;
        }

        @Override
        public Action onFragment(DirectBuffer buffer, int offset, int length, Header header) {
            int bytes = length - Cast.HEADER_BYTES;
            int gotBucket = bytes < 0 ? -1 : buffer.getInt(offset, ByteOrder.LITTLE_ENDIAN);
            long at = bytes < 0 ? -1 : buffer.getLong(offset + Cast.OFFSET_AT, ByteOrder.LITTLE_ENDIAN);
            if (gotBucket != bucket || at != filled || bytes > target.byteSize() - filled) {
                broken = "expected bucket " + bucket + " from byte " + filled + " but got " + bytes
                        + " bytes of bucket " + gotBucket + " from byte " + at;
                return Action.ABORT;
            }
            target.asSlice(filled, bytes)
                    .copyFrom(Cast.memory(buffer.addressOffset() + offset + Cast.HEADER_BYTES, bytes));
            filled += bytes;
            return filled == target.byteSize() ? Action.BREAK : Action.CONTINUE;
        }
    }

    /** Receives nothing more; the sender goes on without it. */
    @Override
    public void close() {
        subscription.close();
    }
}
