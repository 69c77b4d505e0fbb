package dev.inflight.cli;

import com.fasterxml.jackson.databind.JsonNode;
import dev.inflight.cli.client.CoordinatorClient;
import dev.inflight.cli.console.ByteSize;
import dev.inflight.cli.console.Table;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(name = "status", description = "Show the cluster, its published versions and what every engine serves.")
@SuppressWarnings("NullAway.Init")
final class StatusCommand implements Callable<Integer> {
    @Mixin
    private CoordinatorOption coordinator;

    @Mixin
    private Answer answer;

    @Override
    public Integer call() throws InterruptedException {
        try (CoordinatorClient client = coordinator.connect()) {
            JsonNode status = client.status();
            answer.print(status, text(status));
            return ExitCode.OK;
        }
    }

    private static String text(JsonNode status) {
        String gap = System.lineSeparator() + System.lineSeparator();
        String operation = status.path("operation").isObject()
                ? gap + "running: " + status.path("operation").path("kind").asText("update") + " "
                        + status.path("operation").path("phase").asText()
                : "";
        return members(status)
                + gap
                + versions(status)
                + gap
                + memory(status)
                + gap
                + workers(status)
                + LimitsText.of(status, gap)
                + operation
                + canaries(status);
    }

    private static String canaries(JsonNode status) {
        StringBuilder text = new StringBuilder();
        for (JsonNode canary : status.path("canaries")) {
            text.append(System.lineSeparator())
                    .append(System.lineSeparator())
                    .append("canary ")
                    .append(canary.path("operation").asText())
                    .append(": ")
                    .append(canary.path("model").asText())
                    .append(' ')
                    .append(canary.path("from").asText())
                    .append(" -> ")
                    .append(canary.path("to").asText())
                    .append(", ")
                    .append(canary.path("phase").asText())
                    .append(", on ");
            List<String> workers = new ArrayList<>();
            canary.path("workers").forEach(worker -> workers.add(worker.asText()));
            text.append(String.join(", ", workers));
        }
        return text.toString();
    }

    private static String labels(JsonNode labels) {
        List<String> texts = new ArrayList<>();
        labels.propertyStream()
                .forEach(label ->
                        texts.add(label.getKey() + "=" + label.getValue().asText()));
        return String.join(",", texts);
    }

    private static Table members(JsonNode status) {
        Table table = new Table().row("MEMBER", "STATUS", "ROLES");
        for (JsonNode member : status.path("cluster").path("members")) {
            table.row(
                    member.path("address").asText(),
                    member.path("status").asText() + (member.path("reachable").asBoolean(true) ? "" : " unreachable"),
                    roles(member.path("roles")));
        }
        return table;
    }

    private static Table versions(JsonNode status) {
        Table table = new Table().row("MODEL", "VERSION", "TENSORS", "SIZE", "MANIFEST", "SOURCE");
        for (JsonNode model : status.path("models")) {
            for (JsonNode version : model.path("versions")) {
                String digest = version.path("digest").asText();
                table.row(
                        model.path("model").asText(),
                        version.path("version").asText(),
                        version.path("tensors").asText(),
                        ByteSize.format(version.path("bytes").asLong()),
                        digest.substring(0, Math.min(12, digest.length())),
                        version.path("source").asText());
            }
        }
        return table;
    }

    private static Table memory(JsonNode status) {
        Table table = new Table().row("HOST", "MODEL", "VERSION", "SHARDS", "MEMORY");
        for (JsonNode host : status.path("hosts")) {
            for (JsonNode held : host.path("checkpoints")) {
                table.row(
                        host.path("host").asText(),
                        held.path("model").asText(),
                        held.path("version").asText(),
                        held.path("shards").asText(),
                        ByteSize.format(held.path("memoryBytes").asLong()));
            }
        }
        return table;
    }

    private static Table workers(JsonNode status) {
        Table table = new Table().row("WORKER", "ENGINE", "MODEL", "STATE", "VERSION", "LABELS", "");
        for (JsonNode worker : status.path("workers")) {
            JsonNode engine = worker.path("engine");
            table.row(
                    worker.path("worker").asText(),
                    engine.path("engine").asText("-"),
                    engine.path("model").asText("-"),
                    state(engine),
                    engine.path("version").asText("-"),
                    labels(worker.path("labels")),
                    remark(engine));
        }
        return table;
    }

    private static String state(JsonNode engine) {
        JsonNode join = engine.path("join");
        if (!join.hasNonNull("operation")) {
            return engine.path("state").asText("no engine");
        }
        long total = join.path("totalBytes").asLong();
        return "joining" + (total == 0 ? "" : " " + 100 * join.path("doneBytes").asLong() / total + " %");
    }

    private static String remark(JsonNode engine) {
        JsonNode join = engine.path("join");
        if (join.hasNonNull("operation")) {
            return join.path("operation").asText();
        }
        if (join.hasNonNull("reason")) {
            return join.path("failures").asText() + " failed joins, the last: "
                    + join.path("reason").asText();
        }
        return engine.hasNonNull("reason") ? engine.path("reason").asText() : "";
    }

    private static String roles(JsonNode roles) {
        StringBuilder text = new StringBuilder();
        for (JsonNode role : roles) {
            text.append(text.isEmpty() ? "" : ",").append(role.asText());
        }
        return text.toString();
    }
}
