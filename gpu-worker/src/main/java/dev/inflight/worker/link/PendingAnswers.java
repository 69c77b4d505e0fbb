package dev.inflight.worker.link;

import dev.inflight.protocol.link.EngineMessage;
import dev.inflight.protocol.link.EngineMessage.Aborted;
import dev.inflight.protocol.link.EngineMessage.Begun;
import dev.inflight.protocol.link.EngineMessage.Committed;
import dev.inflight.protocol.link.EngineMessage.Dumped;
import dev.inflight.protocol.link.EngineMessage.Ended;
import dev.inflight.protocol.link.EngineMessage.Failed;
import dev.inflight.protocol.link.EngineMessage.Loaded;
import dev.inflight.protocol.link.WorkerMessage;
import dev.inflight.protocol.link.WorkerMessage.Abort;
import dev.inflight.protocol.link.WorkerMessage.Begin;
import dev.inflight.protocol.link.WorkerMessage.Commit;
import dev.inflight.protocol.link.WorkerMessage.Dump;
import dev.inflight.protocol.link.WorkerMessage.End;
import dev.inflight.protocol.link.WorkerMessage.Load;
import dev.inflight.worker.link.EngineLinkException.Kind;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/**
 * Messages that wait for the engine's answer. Engines answer in order, so an answer belongs to the oldest message or is
 * a breach of the protocol. For use under the session's lock.
 */
final class PendingAnswers {
    /** A message and who waits for its answer. */
    record Pending(WorkerMessage message, CompletableFuture<EngineMessage> answer) {}

    private final Deque<Pending> waiting = new ArrayDeque<>();

    int size() {
        return waiting.size();
    }

    Pending add(WorkerMessage message) {
        Pending pending = new Pending(message, new CompletableFuture<>());
        waiting.add(pending);
        return pending;
    }

    /** Takes back a message that could not be sent. */
    void remove(Pending pending) {
        waiting.remove(pending);
    }

    /** Returns and forgets the message that this answers; null if it answers nothing that was asked. */
    @Nullable
    Pending take(EngineMessage answer) {
        Pending oldest = waiting.peek();
        if (oldest == null || !answers(oldest.message(), answer)) {
            return null;
        }
        return waiting.poll();
    }

    /** Returns and forgets all of them. */
    Deque<Pending> takeAll() {
        Deque<Pending> all = new ArrayDeque<>(waiting);
        waiting.clear();
        return all;
    }

    private static boolean answers(WorkerMessage message, EngineMessage answer) {
        return answer instanceof Failed failed ? refuses(message, failed) : accepts(message, answer);
    }

    private static boolean accepts(WorkerMessage message, EngineMessage answer) {
        return switch (answer) {
            case Begun begun -> message instanceof Begin begin && begin.epoch() == begun.epoch();
            case Loaded loaded ->
                message instanceof Load load && load.epoch() == loaded.epoch() && load.bucket() == loaded.bucket();
            case Ended ended -> message instanceof End end && end.epoch() == ended.epoch();
            case Committed committed ->
                message instanceof Commit commit
                        && commit.epoch() == committed.epoch()
                        && commit.version().equals(committed.version());
            case Aborted aborted -> message instanceof Abort abort && abort.epoch() == aborted.epoch();
            case Dumped dumped -> message instanceof Dump dump && dump.id() == dumped.id();
            default -> false;
        };
    }

    private static boolean refuses(WorkerMessage message, Failed failed) {
        return switch (message) {
            case Begin begin -> refuses(failed, begin.epoch(), null, null);
            case Load load -> refuses(failed, load.epoch(), load.bucket(), null);
            case End end -> refuses(failed, end.epoch(), null, null);
            case Commit commit -> refuses(failed, commit.epoch(), null, null);
            case Abort abort -> refuses(failed, abort.epoch(), null, null);
            case Dump dump -> refuses(failed, null, null, dump.id());
            default -> false;
        };
    }

    // An engine may leave out what it could not tell, but what it names must be the message's.
    private static boolean refuses(Failed failed, @Nullable Long epoch, @Nullable Integer bucket, @Nullable Long id) {
        return (failed.epoch() == null || failed.epoch().equals(epoch))
                && (failed.bucket() == null || failed.bucket().equals(bucket))
                && (failed.id() == null || failed.id().equals(id));
    }

    static EngineLinkException refusal(String engine, Failed failed) {
        return new EngineLinkException(Kind.REFUSED, "engine %s: %s".formatted(engine, failed.message()));
    }
}
