package dev.inflight.cli;

import dev.inflight.cli.client.CoordinatorClient;
import dev.inflight.cli.client.Operation;
import dev.inflight.cli.console.Progress;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(name = "promote", description = "End the hold of a canary: the other engines get its version too.")
@SuppressWarnings("NullAway.Init")
final class PromoteCommand implements Callable<Integer> {
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
                    client.promote(canary.decision()),
                    shown -> progress.advance(shown.step(), shown.doneBytes(), shown.totalBytes()));
            progress.close();
            return OperationAnswer.print(answer, operation, CanaryText::of);
        }
    }
}
