package dev.inflight.worker.nccl;

import java.time.Duration;
import java.util.OptionalInt;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.IntSupplier;

/** A native call that should return soon, made on a thread that may be left behind if it does not. */
final class DetachedCall {
    private DetachedCall() {}

    /** Waits also when interrupted, and keeps the interrupt. Empty if the call did not return within the bound. */
    static OptionalInt run(String name, IntSupplier function, Duration bound) {
        FutureTask<Integer> task = new FutureTask<>(function::getAsInt);
        Thread.ofPlatform().daemon().name(name).start(task);
        long deadline = System.nanoTime() + bound.toNanos();
        boolean interrupted = false;
        try {
            while (true) {
                try {
                    return OptionalInt.of(task.get(deadline - System.nanoTime(), TimeUnit.NANOSECONDS));
                } catch (InterruptedException e) {
                    interrupted = true;
                } catch (TimeoutException e) {
                    return OptionalInt.empty();
                } catch (ExecutionException e) {
                    throw new IllegalStateException(name + " failed", e.getCause());
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
