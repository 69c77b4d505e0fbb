package dev.inflight.worker.update;

import dev.inflight.worker.link.EngineLinkException;
import dev.inflight.worker.link.EngineSession;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Waits for an engine's answers and names the engine when there is none. */
public final class EngineAnswers {
    private EngineAnswers() {}

    /** @throws UpdateException if the engine refuses, is gone, or does not answer within {@code bound} */
    public static <T> T await(String verb, EngineSession engine, CompletableFuture<T> answer, Duration bound)
            throws InterruptedException {
        try {
            return answer.get(bound.toMillis(), TimeUnit.MILLISECONDS);
        } catch (ExecutionException e) {
            throw during(verb, engine, bound, e.getCause() == null ? e : e.getCause());
        } catch (TimeoutException e) {
            throw during(verb, engine, bound, e);
        }
    }

    static UpdateException during(String verb, EngineSession engine, Duration bound, Throwable cause) {
        var name = engine.hello().engine();
        if (cause instanceof EngineLinkException said) {
            return new UpdateException(String.valueOf(said.getMessage()), name, said);
        }
        var what = cause instanceof TimeoutException
                ? "did not answer within " + bound.toMillis() + " ms"
                : String.valueOf(cause.getMessage());
        return new UpdateException("engine " + name + ": " + verb + ": " + what, name, cause);
    }
}
