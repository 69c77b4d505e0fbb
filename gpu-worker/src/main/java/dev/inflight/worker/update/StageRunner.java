package dev.inflight.worker.update;

import dev.inflight.protocol.log.UpdateFields;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorCompletionService;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;

/**
 * Runs tasks beside each other on platform threads, since they copy memory for long stretches, and ends them all at the
 * first failure.
 */
final class StageRunner implements AutoCloseable {
    private final ExecutorService threads;

    StageRunner(String name) {
        threads = Executors.newThreadPerTaskExecutor(
                Thread.ofPlatform().daemon().name(name + "-", 0).factory());
    }

    /** Starts a task whose end is awaited by a later one. */
    <T> Future<T> start(Callable<T> task) {
        try {
            return threads.submit(UpdateFields.carry(task));
        } catch (RejectedExecutionException e) {
            throw new UpdateException("cancelled", null, e);
        }
    }

    /** Waits for a task that was started. */
    static <T> T await(Future<T> task) throws InterruptedException {
        try {
            return task.get();
        } catch (ExecutionException e) {
            throw failure(e.getCause() == null ? e : e.getCause());
        } catch (CancellationException e) {
            throw new UpdateException("cancelled", null, e);
        }
    }

    /**
     * Runs all tasks to their end.
     *
     * @return their results in the tasks' order
     * @throws UpdateException the first failure; the other tasks were interrupted and have ended
     */
    <T> List<T> all(List<Callable<T>> tasks) throws InterruptedException {
        var completion = new ExecutorCompletionService<T>(threads);
        var running = new ArrayList<Future<T>>();
        try {
            for (var task : tasks) {
                running.add(completion.submit(UpdateFields.carry(task)));
            }
            for (int i = 0; i < running.size(); i++) {
                completion.take().get();
            }
            var results = new ArrayList<T>();
            for (var task : running) {
                results.add(task.resultNow());
            }
            return results;
        } catch (ExecutionException e) {
            throw failure(e.getCause() == null ? e : e.getCause());
        } catch (CancellationException | RejectedExecutionException e) {
            throw new UpdateException("cancelled", null, e);
        } finally {
            endAll(running);
        }
    }

    private static <T> void endAll(List<Future<T>> running) {
        running.forEach(task -> task.cancel(true));
    }

    private static UpdateException failure(Throwable cause) {
        return cause instanceof UpdateException failure
                ? failure
                : new UpdateException(cause.getMessage() == null ? cause.toString() : cause.getMessage(), null, cause);
    }

    /** Interrupts every running task; later tasks are refused. */
    void cancel() {
        threads.shutdownNow();
    }

    /** Interrupts every running task and waits until none runs. */
    @Override
    public void close() {
        threads.shutdownNow();
        threads.close();
    }
}
