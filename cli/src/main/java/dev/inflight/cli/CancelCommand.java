package dev.inflight.cli;

import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.inflight.cli.client.CoordinatorClient;
import dev.inflight.cli.client.Operation;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

@Command(name = "cancel", description = "Call off an update that waits for its turn (update --wait).")
@SuppressWarnings("NullAway.Init")
final class CancelCommand implements Callable<Integer> {
    @Mixin
    private CoordinatorOption coordinator;

    @Mixin
    private Answer answer;

    @Mixin
    private RequesterOption requester;

    @Parameters(index = "0", paramLabel = "OPERATION", description = "Its id, as status and history show it.")
    private String operation;

    @Override
    public Integer call() throws InterruptedException {
        try (CoordinatorClient client = coordinator.connect()) {
            Operation cancelled = client.cancel(operation, requester.origin());
            answer.print(
                    new JsonMapper()
                            .createObjectNode()
                            .put("operation", cancelled.id())
                            .put("phase", cancelled.phase()),
                    cancelled.id() + " " + cancelled.phase());
            return ExitCode.OK;
        }
    }
}
