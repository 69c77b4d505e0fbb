package dev.inflight.cli;

import com.fasterxml.jackson.databind.JsonNode;
import dev.inflight.cli.console.ByteSize;
import dev.inflight.cli.console.Table;

/** Limits, what of them is used, and the updates that wait, for people. */
final class LimitsText {
    private LimitsText() {}

    /** Nothing where there are no limits and nobody waits. */
    static String of(JsonNode status, String gap) {
        return limits(status.path("limits"), gap) + hosts(status.path("hosts"), gap) + queue(status.path("queue"), gap);
    }

    private static String limits(JsonNode limits, String gap) {
        Table table = new Table()
                .row("LIMITS OF", "PER HOUR", "INTERVAL", "RUNNING", "BYTES PER DAY", "EACH HOST SENDS", "NEXT UPDATE");
        boolean any = false;
        for (JsonNode usage : limits) {
            if (isLimited(usage)) {
                any = true;
                table.row(
                        usage.path("scope").asText() + " " + usage.path("name").asText(),
                        count(usage, "updatesLastHour", "updatesPerHour"),
                        usage.hasNonNull("minIntervalSeconds")
                                ? usage.path("minIntervalSeconds").asText() + " s"
                                : "-",
                        count(usage, "runningUpdates", "concurrentUpdates"),
                        ByteSize.format(usage.path("bytesLastDay").asLong())
                                + (usage.hasNonNull("bytesPerDay")
                                        ? " of "
                                                + ByteSize.format(usage.path("bytesPerDay")
                                                        .asLong())
                                        : ""),
                        usage.hasNonNull("bytesPerSecondPerHost")
                                ? ByteSize.format(usage.path("bytesPerSecondPerHost")
                                                .asLong()) + "/s"
                                : "-",
                        next(usage));
            }
        }
        return any ? gap + table : "";
    }

    private static boolean isLimited(JsonNode usage) {
        return usage.hasNonNull("updatesPerHour")
                || usage.hasNonNull("minIntervalSeconds")
                || usage.hasNonNull("concurrentUpdates")
                || usage.hasNonNull("bytesPerDay")
                || usage.hasNonNull("bytesPerSecondPerHost");
    }

    private static String count(JsonNode usage, String used, String limit) {
        return usage.path(used).asText()
                + (usage.hasNonNull(limit) ? " of " + usage.path(limit).asText() : "");
    }

    private static String next(JsonNode usage) {
        if (!usage.hasNonNull("deniedBy")) {
            return "now";
        }
        String by = " (" + usage.path("deniedBy").asText() + ")";
        return (usage.hasNonNull("allowedAt") ? usage.path("allowedAt").asText() : "when one has ended") + by;
    }

    private static String hosts(JsonNode hosts, String gap) {
        Table table = new Table().row("HOST", "SENDS TO OTHERS AT MOST");
        boolean any = false;
        for (JsonNode host : hosts) {
            if (host.hasNonNull("maxSourceBytesPerSecond")) {
                any = true;
                long limit = host.path("maxSourceBytesPerSecond").asLong();
                table.row(host.path("host").asText(), ByteSize.format(limit) + "/s");
            }
        }
        return any ? gap + table : "";
    }

    private static String queue(JsonNode queue, String gap) {
        Table table = new Table().row("WAITING", "MODEL", "VERSION", "GROUP", "PLACE", "EXPECTED", "FOR");
        for (JsonNode waiting : queue) {
            JsonNode turn = waiting.path("turn");
            table.row(
                    waiting.path("operation").asText(),
                    waiting.path("model").asText(),
                    waiting.path("version").asText(),
                    waiting.hasNonNull("group") ? waiting.path("group").asText() : "all",
                    turn.path("position").asText(),
                    turn.hasNonNull("expectedAt") ? turn.path("expectedAt").asText() : "-",
                    turn.path("reason").asText());
        }
        return queue.isEmpty() ? "" : gap + table;
    }
}
