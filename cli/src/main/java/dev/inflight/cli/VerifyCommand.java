package dev.inflight.cli;

import com.fasterxml.jackson.databind.JsonNode;
import dev.inflight.cli.client.Operation;
import dev.inflight.cli.client.VerifyRequest;
import dev.inflight.cli.console.Table;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
        name = "verify",
        description = "Compare every engine's live tensors with the manifest of the version it serves, bit by bit.")
@SuppressWarnings("NullAway.Init")
final class VerifyCommand implements Callable<Integer> {
    @Mixin
    private OperationRun run;

    @Mixin
    private OriginOptions origin;

    @Mixin
    private SelectionOptions selection;

    @Option(names = "--model", required = true, paramLabel = "NAME", description = "Model whose engines to verify.")
    private String model;

    @Override
    public Integer call() throws InterruptedException {
        VerifyRequest request = new VerifyRequest(model, selection.group(), selection.select());
        Operation operation = run.await((client, progress) -> client.verify(request, origin.origin(), progress));
        int exitCode = run.print(operation, VerifyCommand::text);
        boolean verified = operation.result() != null
                && operation.result().path("verified").asBoolean();
        return exitCode == ExitCode.OK && !verified ? ExitCode.FAILED : exitCode;
    }

    private static String text(Operation operation) {
        if (operation.result() == null) {
            return "no result";
        }
        JsonNode result = operation.result();
        Table table = new Table().row("ENGINE", "WORKER", "VERSION", "TENSORS", "MISMATCHES", "");
        for (JsonNode engine : result.path("engines")) {
            table.row(
                    engine.path("engine").asText(),
                    engine.path("worker").asText(),
                    engine.path("version").asText("-"),
                    engine.path("tensors").asText(),
                    engine.path("mismatches").asText(),
                    engine.hasNonNull("error") ? engine.path("error").asText() : firstMismatch(engine));
        }
        String verdict = result.path("verified").asBoolean() ? "verified" : "NOT verified";
        return verdict + System.lineSeparator() + table;
    }

    private static String firstMismatch(JsonNode engine) {
        JsonNode names = engine.path("mismatched");
        return names.isEmpty()
                ? ""
                : "first: " + engine.path("files").path(0).asText("") + ": "
                        + names.path(0).asText();
    }
}
