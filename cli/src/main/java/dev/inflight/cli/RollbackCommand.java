package dev.inflight.cli;

import dev.inflight.cli.client.Operation;
import dev.inflight.cli.client.RollbackRequest;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
        name = "rollback",
        description = {
            "Move running engines back to a version that they had, all of them or none.",
            "In shadow mode nothing is sent if every engine still holds that version beside the present one."
        })
@SuppressWarnings("NullAway.Init")
final class RollbackCommand implements Callable<Integer> {
    @Mixin
    private OperationRun run;

    @Mixin
    private OriginOptions origin;

    @Option(names = "--model", required = true, paramLabel = "NAME", description = "Model to roll back.")
    private String model;

    @Option(
            names = "--to",
            paramLabel = "VERSION",
            description = "Published version to go to (default: the one before the last update; after a rollback, the"
                    + " one before that).")
    private @Nullable String to;

    @Option(
            names = "--mode",
            paramLabel = "MODE",
            defaultValue = "auto",
            description = "in-place, shadow or auto, as for update (default: ${DEFAULT-VALUE}).")
    private String mode;

    @Mixin
    private SelectionOptions selection;

    @Override
    public Integer call() throws InterruptedException {
        RollbackRequest request = new RollbackRequest(model, to, mode, selection.group(), selection.select());
        Operation operation = run.await((client, progress) -> client.rollback(request, origin.origin(), progress));
        return run.print(operation, UpdateCommand::text);
    }
}
