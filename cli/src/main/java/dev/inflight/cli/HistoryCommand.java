package dev.inflight.cli;

import com.fasterxml.jackson.databind.JsonNode;
import dev.inflight.cli.client.CoordinatorClient;
import dev.inflight.cli.client.HistoryQuery;
import dev.inflight.cli.console.Table;
import dev.inflight.cli.console.TimeSpan;
import java.io.PrintWriter;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeParseException;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

@Command(name = "history", description = "Show past publishes, updates, joins and verifications, the newest first.")
@SuppressWarnings("NullAway.Init")
final class HistoryCommand implements Callable<Integer> {
    private static final int USUAL = 20;
    private static final int MOST = 1000;
    private static final DateTimeFormatter WHEN =
            DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm:ss", Locale.ROOT).withZone(ZoneId.systemDefault());

    @Spec
    private CommandSpec spec;

    @Mixin
    private CoordinatorOption coordinator;

    @Mixin
    private Answer answer;

    @Option(names = "--model", paramLabel = "NAME", description = "Only of this model.")
    private @Nullable String model;

    @Option(
            names = "--since",
            paramLabel = "TIME",
            description =
                    "Only what began then or later: 90s, 30m, 24h or 7d ago, or a time like 2026-11-22T09:30:00Z.")
    private @Nullable String since;

    @Option(
            names = "--limit",
            paramLabel = "N",
            description = "At most so many, 1 to 1000 (default: 20, of --export all).")
    private @Nullable Integer limit;

    @Option(names = "--export", description = "Print each operation as one line of JSON, with all that is known of it.")
    private boolean export;

    @Override
    public Integer call() throws InterruptedException {
        if (limit != null && (limit < 1 || limit > MOST)) {
            throw new ParameterException(spec.commandLine(), "--limit " + limit + " is outside 1 to " + MOST);
        }
        Instant from = since(Instant.now());
        try (CoordinatorClient client = coordinator.connect()) {
            if (export) {
                PrintWriter out = spec.commandLine().getOut();
                client.exportHistory(new HistoryQuery(model, from, limit), out::println);
                out.flush();
            } else {
                JsonNode history = client.history(new HistoryQuery(model, from, limit == null ? USUAL : limit));
                answer.print(history, text(history));
            }
            return ExitCode.OK;
        }
    }

    private @Nullable Instant since(Instant now) {
        if (since == null) {
            return null;
        }
        Duration ago = TimeSpan.parse(since);
        if (ago != null) {
            return now.minus(ago);
        }
        try {
            return Instant.parse(since);
        } catch (DateTimeParseException e) {
            throw new ParameterException(
                    spec.commandLine(), "--since " + since + " is not like 30m, 24h, 7d or 2026-11-22T09:30:00Z");
        }
    }

    private static String text(JsonNode history) {
        Table table = new Table()
                .row("WHEN", "OPERATION", "KIND", "MODEL", "FROM", "TO", "OUTCOME", "SECONDS", "REQUESTER", "REASON");
        for (JsonNode operation : history.path("operations")) {
            table.row(
                    WHEN.format(Instant.parse(operation.path("startedAt").asText())),
                    operation.path("operation").asText("-"),
                    operation.path("kind").asText(),
                    operation.path("model").asText(),
                    operation.path("from").asText("-"),
                    operation.path("to").asText("-"),
                    operation.path("outcome").asText(),
                    operation.path("seconds").isNumber()
                            ? String.format(
                                    Locale.ROOT,
                                    "%.3f",
                                    operation.path("seconds").asDouble())
                            : "-",
                    operation.path("requester").asText("-"),
                    operation.hasNonNull("reason")
                            ? operation.path("reason").asText()
                            : operation.path("detectedBy").asText(""));
        }
        return table.toString();
    }
}
