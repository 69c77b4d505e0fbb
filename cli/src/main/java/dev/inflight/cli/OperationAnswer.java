package dev.inflight.cli;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.inflight.cli.client.Operation;
import java.util.function.Function;

/** Prints how an operation ended: its result if it has one, else its reason, with the exit code that fits. */
final class OperationAnswer {
    private OperationAnswer() {}

    /** @param text the result for people; called only if there is one */
    static int print(Answer answer, Operation operation, Function<Operation, String> text) {
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
