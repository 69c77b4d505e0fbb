package dev.inflight.cli;

import dev.inflight.cli.client.CanaryResult;
import dev.inflight.cli.client.CoordinatorClient;
import dev.inflight.cli.client.Operation;
import dev.inflight.cli.console.Progress;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(name = "revert", description = "End a canary: its engines get back the version they had.")
@SuppressWarnings("NullAway.Init")
final class RevertCommand implements Callable<Integer> {
    @Mixin
    private CoordinatorOption coordinator;

    @Mixin
    private Answer answer;

    @Mixin
    private CanaryOption canary;

    @Override
    public Integer call() throws InterruptedException {
        try (CoordinatorClient client = coordinator.connect();
                Progress progress = answer.progress()) {
            Operation operation = client.await(
                    client.revert(canary.decision()),
                    shown -> progress.advance(shown.step(), shown.doneBytes(), shown.totalBytes()));
            progress.close();
            int exitCode = OperationAnswer.print(answer, operation, CanaryText::of);
            // The canary has failed, and this command has done what it was for.
            boolean reverted = operation.result() != null
                    && operation.as(CanaryResult.class).outcome().equals("reverted");
            return reverted ? ExitCode.OK : exitCode;
        }
    }
}
