package dev.inflight.worker.cuda;

import static jcuda.driver.JCudaDriver.cuEventCreate;
import static jcuda.driver.JCudaDriver.cuEventDestroy;
import static jcuda.driver.JCudaDriver.cuEventElapsedTime;
import static jcuda.driver.JCudaDriver.cuEventQuery;

import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import jcuda.driver.CUevent;
import jcuda.driver.CUresult;

/**
 * A mark in a stream, to wait for and to measure between; it may be recorded again and again. An event that was never
 * recorded counts as done. {@link CudaContext} has the thread rules.
 */
public final class CudaEvent implements AutoCloseable {
    private static final int WITH_TIMING = 0;
    private static final long SPIN_NANOS = TimeUnit.MICROSECONDS.toNanos(20);
    private static final long PARK_NANOS = TimeUnit.MICROSECONDS.toNanos(20);

    private final CudaContext context;
    private final CUevent event;

    private CudaEvent(CudaContext context, CUevent event) {
        this.context = context;
        this.event = event;
    }

    static CudaEvent create(CudaContext context) {
        var handle = new CUevent();
        context.makeCurrent();
        context.check("cuEventCreate", cuEventCreate(handle, WITH_TIMING));
        var event = new CudaEvent(context, handle);
        context.take(event);
        return event;
    }

    public CudaContext context() {
        return context;
    }

    /** @throws CudaException if the work failed */
    public boolean isDone() {
        var mark = handle();
        context.makeCurrent();
        int result = cuEventQuery(mark);
        if (result == CUresult.CUDA_ERROR_NOT_READY) {
            return false;
        }
        context.check("cuEventQuery", result);
        return true;
    }

    /**
     * Blocks the calling thread until the work before the event is done. It polls, briefly without rest, since the
     * driver's own wait has neither a bound nor an interrupt.
     *
     * @throws CudaException if the work failed
     * @throws CudaTimeoutException if it is not done after {@code atMost}
     */
    public void await(Duration atMost) throws InterruptedException {
        long bound = TimeUnit.NANOSECONDS.convert(atMost);
        long start = System.nanoTime();
        while (!isDone()) {
            if (Thread.interrupted()) {
                throw new InterruptedException("interrupted while waiting for " + this);
            }
            long waited = System.nanoTime() - start;
            if (waited >= bound) {
                throw new CudaTimeoutException(this + ": its work is not done after " + atMost.toMillis() + " ms");
            }
            rest(waited);
        }
    }

    private static void rest(long waited) {
        if (waited < SPIN_NANOS) {
            Thread.onSpinWait();
        } else {
            LockSupport.parkNanos(PARK_NANOS);
        }
    }

    /**
     * Time on the GPU between two events that are done, in milliseconds, exact to about half a microsecond.
     *
     * @throws CudaException if one was never recorded or is not done
     */
    public float millisSince(CudaEvent earlier) {
        float[] millis = new float[1];
        var begin = earlier.handle();
        var end = handle();
        context.makeCurrent();
        context.check("cuEventElapsedTime", cuEventElapsedTime(millis, begin, end));
        return millis[0];
    }

    /** The open event's CUevent. */
    CUevent handle() {
        context.requireTaken(this);
        return event;
    }

    /** Returns at once, whether the event is done or not. */
    @Override
    public void close() {
        if (context.giveBack(this)) {
            context.makeCurrent();
            context.check("cuEventDestroy", cuEventDestroy(event));
        }
    }

    @Override
    public String toString() {
        return "event " + Integer.toHexString(System.identityHashCode(this)) + " on "
                + context.gpu().label();
    }
}
