package dev.inflight.cli;

import dev.inflight.cli.client.CoordinatorClient;
import dev.inflight.cli.client.Operation;
import dev.inflight.cli.client.UpdateRequest;
import dev.inflight.cli.client.UpdateResult;
import dev.inflight.cli.client.UpdateResult.DamageFound;
import dev.inflight.cli.client.UpdateResult.EngineOutcome;
import dev.inflight.cli.console.ByteSize;
import dev.inflight.cli.console.Table;
import java.time.Duration;
import java.util.Locale;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
        name = "update",
        description =
                "Move running engines to a published version, all of them or none; or some of them first (--canary).")
@SuppressWarnings("NullAway.Init")
final class UpdateCommand implements Callable<Integer> {
    @Mixin
    private OperationRun run;

    @Mixin
    private OriginOptions origin;

    @Option(names = "--model", required = true, paramLabel = "NAME", description = "Model to update.")
    private String model;

    @Option(names = "--version", required = true, paramLabel = "VERSION", description = "Published version to go to.")
    private String version;

    @Option(
            names = "--mode",
            paramLabel = "MODE",
            defaultValue = "auto",
            description = "in-place (engines pause), shadow (engines serve meanwhile, needs memory for both versions)"
                    + " or auto (default: ${DEFAULT-VALUE}).")
    private String mode;

    @Option(
            names = "--strategy",
            paramLabel = "STRATEGY",
            defaultValue = "auto",
            description = "broadcast, or auto: in shadow mode nothing is sent if every engine still holds the version"
                    + " beside the present one (default: ${DEFAULT-VALUE}).")
    private String strategy;

    @Mixin
    private SelectionOptions selection;

    @Mixin
    private CanaryOptions canary;

    @Option(
            names = "--verify",
            paramLabel = "WHERE",
            description =
                    "arrival: bytes are compared with what was published where engines read them; engine: and once"
                            + " more in every engine before any goes live (default: the coordinator's setting).")
    private @Nullable String verify;

    @Mixin
    private WaitOptions waiting;

    @Override
    public Integer call() throws InterruptedException {
        UpdateRequest request = waiting.apply(new UpdateRequest(model, version, mode, strategy, selection.group())
                .selecting(selection.select())
                .tried(canary.canary(), canary.holdSeconds(), canary.check())
                .verified(verify));
        Operation operation = run.await((client, progress) -> {
            CommandCheck check = check(client);
            return client.update(request, origin.origin(), check == null ? progress : progress.andThen(check::look));
        });
        return run.print(operation, request.canary() == null ? UpdateCommand::text : CanaryText::of);
    }

    private @Nullable CommandCheck check(CoordinatorClient client) {
        String command = canary.shellCommand();
        Duration hold = canary.hold();
        return command == null || hold == null ? null : new CommandCheck(client, command, hold);
    }

    /** An update's result, or a rollback's, for people. */
    static String text(Operation operation) {
        UpdateResult result = operation.as(UpdateResult.class);
        Table engines = new Table().row("ENGINE", "WORKER", "OUTCOME", "STATE", "VERSION", "STALL");
        for (EngineOutcome engine : result.engineOutcomes()) {
            engines.row(
                    Objects.requireNonNullElse(engine.engine(), "-"),
                    engine.worker(),
                    engine.outcome(),
                    Objects.requireNonNullElse(engine.state(), "gone"),
                    Objects.requireNonNullElse(engine.version(), "-"),
                    engine.stallMs() == null ? "-" : String.format(Locale.ROOT, "%.1f ms", engine.stallMs()));
        }
        String headline = String.format(
                Locale.ROOT,
                "%s %s: %s -> %s, %s, %s%s, %s in %.3f s",
                result.outcome(),
                result.model(),
                Objects.requireNonNullElse(result.from(), "nothing"),
                result.to(),
                Objects.requireNonNullElse(result.mode(), "no mode chosen"),
                result.strategy(),
                result.exchange() == null ? "" : " by " + result.exchangeName(),
                ByteSize.format(result.bytes()),
                result.seconds());
        StringBuilder text = new StringBuilder(headline);
        if (result.reason() != null) {
            text.append(System.lineSeparator()).append("reason: ").append(result.reason());
        }
        for (DamageFound found : result.damageFound()) {
            text.append(System.lineSeparator()).append("mended: ").append(found.text());
        }
        return text.append(System.lineSeparator()).append(engines).toString();
    }
}
