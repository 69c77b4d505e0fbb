package dev.inflight.cli;

import dev.inflight.cli.client.CanaryDecision;
import dev.inflight.cli.client.Operation;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(name = "promote", description = "End the hold of a canary: the other engines get its version too.")
@SuppressWarnings("NullAway.Init")
final class PromoteCommand implements Callable<Integer> {
    @Mixin
    private OperationRun run;

    @Mixin
    private CanaryOption canary;

    @Override
    public Integer call() throws InterruptedException {
        CanaryDecision decision = canary.decision();
        Operation operation = run.await((client, progress) -> client.await(client.promote(decision), progress));
        return run.print(operation, CanaryText::of);
    }
}
