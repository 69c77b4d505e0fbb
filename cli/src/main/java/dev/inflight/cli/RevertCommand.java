package dev.inflight.cli;

import dev.inflight.cli.client.CanaryDecision;
import dev.inflight.cli.client.CanaryResult;
import dev.inflight.cli.client.Operation;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(name = "revert", description = "End a canary: its engines get back the version they had.")
@SuppressWarnings("NullAway.Init")
final class RevertCommand implements Callable<Integer> {
    @Mixin
    private OperationRun run;

    @Mixin
    private CanaryOption canary;

    @Override
    public Integer call() throws InterruptedException {
        CanaryDecision decision = canary.decision();
        Operation operation = run.await((client, progress) -> client.await(client.revert(decision), progress));
        int exitCode = run.print(operation, CanaryText::of);
        // The canary has failed, and this command has done what it was for.
        boolean reverted = operation.result() != null
                && operation.as(CanaryResult.class).outcome().equals("reverted");
        return reverted ? ExitCode.OK : exitCode;
    }
}
