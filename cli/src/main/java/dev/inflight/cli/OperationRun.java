package dev.inflight.cli;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.inflight.cli.client.CoordinatorClient;
import dev.inflight.cli.client.Operation;
import dev.inflight.cli.console.Progress;
import java.util.function.Consumer;
import java.util.function.Function;
import picocli.CommandLine.Mixin;

/** What the commands have in common that start an operation, show its progress and answer with how it ended. */
@SuppressWarnings("NullAway.Init")
final class OperationRun {
    /** Starts an operation and waits for its end. */
    @FunctionalInterface
    interface Request {
        /** @param progress is shown the operation whenever it was asked about */
        Operation send(CoordinatorClient client, Consumer<Operation> progress) throws InterruptedException;
    }

    @Mixin
    private CoordinatorOption coordinator;

    @Mixin
    private Answer answer;

    /** Returns the operation when it has ended; progress is on standard error meanwhile. */
    Operation await(Request request) throws InterruptedException {
        try (CoordinatorClient client = coordinator.connect();
                Progress progress = answer.progress()) {
            return request.send(client, shown -> progress.advance(shown.step(), shown.doneBytes(), shown.totalBytes()));
        }
    }

    /**
     * Prints the operation's result if it has one, else its reason.
     *
     * @param text the result for people; called only if there is one
     * @return the exit code that fits
     */
    int print(Operation operation, Function<Operation, String> text) {
        if (operation.succeeded()) {
            answer.print(result(operation), text.apply(operation));
            return ExitCode.OK;
        }
        ObjectNode result = result(operation);
        if (!result.isEmpty()) {
            if (!result.hasNonNull("error")) {
                result.put("error", operation.reason());
            }
            answer.print(result, text.apply(operation));
            return ExitCode.FAILED;
        }
        throw new OperationFailedException(operation.reason());
    }

    private static ObjectNode result(Operation operation) {
        return operation.result() instanceof ObjectNode result ? result : new JsonMapper().createObjectNode();
    }
}
