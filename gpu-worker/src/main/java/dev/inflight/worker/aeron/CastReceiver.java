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
import java.util.function.IntFunction;
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
    private final Uses uses;

    private CastReceiver(Subscription subscription, Image image, LongAdder received, Uses uses) {
        this.uses = uses;
        this.subscription = subscription;
        this.image = image;
        this.received = received;
    }

    static CastReceiver open(Subscription subscription, Duration timeout, LongAdder received, Uses uses)
            throws CastLostException, InterruptedException {
        try {
            long deadline = System.nanoTime() + timeout.toNanos();
            while (subscription.imageCount() == 0) {
                if (uses.isEnding()) {
                    throw new CastLostException("Aeron is shut down");
                }
                if (System.nanoTime() - deadline > 0) {
                    throw new CastLostException("nothing came from " + subscription.channel() + " within "
                            + timeout.toMillis() + " ms; does UDP pass?");
                }
                Thread.sleep(1);
            }
            return new CastReceiver(subscription, subscription.imageAtIndex(0), received, uses);
        } catch (CastLostException | RuntimeException | InterruptedException e) {
            AeronNode.closeQuietly(subscription);
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
        land(new BucketLanding(bucket, target), "bucket " + bucket, silence, givenUp);
        received.add(target.byteSize());
    }

    /**
     * Lands the next bucket that is wanted; what else is cast passes by, also the rest of one that had begun before this
     * was opened. Not to be mixed with {@link #read}.
     *
     * @param targets memory as long as the bucket with this number; null if it is not wanted
     * @return the bucket's number
     * @throws CastLostException as in {@link #read}
     */
    public int next(IntFunction<@Nullable MemorySegment> targets, Duration silence, BooleanSupplier givenUp)
            throws CastLostException, InterruptedException {
        var landing = new WantedLanding(targets);
        land(landing, "what is wanted", silence, givenUp);
        received.add(landing.filled);
        return landing.bucket;
    }

    private void land(Landing landing, String what, Duration silence, BooleanSupplier givenUp)
            throws CastLostException, InterruptedException {
        if (!uses.enter()) {
            throw new CastLostException("Aeron was shut down");
        }
        try {
            landAll(landing, what, silence, () -> uses.isEnding() || givenUp.getAsBoolean());
        } finally {
            uses.exit();
        }
    }

    private void landAll(Landing landing, String what, Duration silence, BooleanSupplier givenUp)
            throws CastLostException, InterruptedException {
        var idle = AeronNode.patientIdle();
        long heard = System.nanoTime();
        while (!landing.isFull()) {
            int fragments = image.controlledPoll(landing, FRAGMENTS);
            if (landing.failure != null) {
                throw landing.failure;
            }
            if (landing.broken != null) {
                throw new CastLostException(landing.broken);
            }
            if (fragments > 0) {
                heard = System.nanoTime();
                idle.reset();
                continue;
            }
            if (image.isClosed() || image.isEndOfStream()) {
                throw new CastLostException("the cast ended in " + what);
            }
            if (Thread.interrupted()) {
                throw new InterruptedException("interrupted while receiving " + what);
            }
            if (givenUp.getAsBoolean() || System.nanoTime() - heard > silence.toNanos()) {
                throw new CastLostException("nothing of " + what + " came for "
                        + Duration.ofNanos(System.nanoTime() - heard).toMillis() + " ms");
            }
            idle.idle();
        }
    }

    /** Receives nothing more; the sender goes on without it. */
    @Override
    public void close() {
        AeronNode.closeQuietly(subscription);
    }

    /** Takes fragments of a bucket in order and none of the next. */
    private abstract static class Landing implements ControlledFragmentHandler {
        int bucket;
        long filled;

        @Nullable
        MemorySegment target;

        @Nullable
        String broken;

        /** Of who was asked for memory; Aeron would keep it to itself. */
        @Nullable
        RuntimeException failure;

        Landing(int bucket, @Nullable MemorySegment target) {
            this.bucket = bucket;
            this.target = target;
        }

        boolean isFull() {
            return target != null && filled == target.byteSize();
        }

        /** A fragment of a bucket comes; afterwards {@link #target} is null if it is to pass by. */
        abstract void begin(int gotBucket, long at);

        @Override
        public Action onFragment(DirectBuffer buffer, int offset, int length, Header header) {
            int bytes = length - Cast.HEADER_BYTES;
            int gotBucket = bytes < 0 ? -1 : buffer.getInt(offset, ByteOrder.LITTLE_ENDIAN);
            long at = bytes < 0 ? -1 : buffer.getLong(offset + Cast.OFFSET_AT, ByteOrder.LITTLE_ENDIAN);
            if (at == 0 || target == null) {
                begin(gotBucket, at);
            }
            var landing = target;
            if (failure != null) {
                return Action.ABORT;
            }
            if (bytes >= 0 && landing == null) {
                return Action.CONTINUE;
            }
            if (landing == null || gotBucket != bucket || at != filled || bytes > landing.byteSize() - filled) {
                broken = "expected bucket " + bucket + " from byte " + filled + " but got " + bytes
                        + " bytes of bucket " + gotBucket + " from byte " + at;
                return Action.ABORT;
            }
            landing.asSlice(filled, bytes)
                    .copyFrom(Cast.memory(buffer.addressOffset() + offset + Cast.HEADER_BYTES, bytes));
            filled += bytes;
            return isFull() ? Action.BREAK : Action.CONTINUE;
        }
    }

    private static final class BucketLanding extends Landing {
        BucketLanding(int bucket, MemorySegment target) {
            super(bucket, target);
        }

        @Override
        void begin(int gotBucket, long at) {
            // Only one is expected.
        }
    }

    /** Goes by the first fragment of each bucket. */
    private static final class WantedLanding extends Landing {
        private final IntFunction<@Nullable MemorySegment> targets;

        WantedLanding(IntFunction<@Nullable MemorySegment> targets) {
            super(-1, null);
            this.targets = targets;
        }

        @Override
        void begin(int gotBucket, long at) {
            if (at == 0 && filled == 0) {
                bucket = gotBucket;
                try {
                    target = targets.apply(gotBucket);
                } catch (RuntimeException e) {
                    failure = e;
                }
            }
        }
    }
}
