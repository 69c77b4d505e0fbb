package dev.inflight.coordinator.http;

import akka.NotUsed;
import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.javadsl.AskPattern;
import akka.http.javadsl.model.ContentType;
import akka.http.javadsl.model.ContentTypes;
import akka.http.javadsl.model.HttpCharsets;
import akka.http.javadsl.model.HttpEntities;
import akka.http.javadsl.model.HttpHeader;
import akka.http.javadsl.model.HttpResponse;
import akka.http.javadsl.model.MediaTypes;
import akka.japi.Pair;
import akka.stream.javadsl.Source;
import akka.util.ByteString;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.inflight.coordinator.operation.CoordinatorQuery.GetHistory;
import dev.inflight.coordinator.operation.CoordinatorQuery.HistoryPage;
import dev.inflight.coordinator.operation.Json;
import dev.inflight.protocol.cluster.Wire;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import org.jspecify.annotations.Nullable;

/** Past operations over HTTP: a page as one JSON object, or all of them as lines of JSON. */
final class HistoryApi {
    private static final int MOST = 1000;
    private static final int USUAL = 100;
    private static final ContentType LINES =
            ContentTypes.create(MediaTypes.applicationWithFixedCharset("x-ndjson", HttpCharsets.UTF_8));

    private final ActorSystem<?> system;
    private final ActorRef<Wire> coordinator;
    private final HttpSettings settings;

    HistoryApi(ActorSystem<?> system, ActorRef<Wire> coordinator, HttpSettings settings) {
        this.system = system;
        this.coordinator = coordinator;
        this.settings = settings;
    }

    /** What is asked for; null where the request does not say. */
    private record Wanted(
            @Nullable String model,
            @Nullable Long sinceMillis,
            @Nullable Long before,
            @Nullable Integer limit) {}

    CompletionStage<HttpResponse> answer(Endpoint.Call call) {
        Wanted wanted = wanted(call.request().getUri().query().toMap());
        boolean lines = call.request()
                .getHeader("Accept")
                .map(HttpHeader::value)
                .filter(value -> value.contains("x-ndjson"))
                .isPresent();
        return lines ? lines(wanted) : page(wanted);
    }

    private CompletionStage<HttpResponse> page(Wanted wanted) {
        int limit = wanted.limit() == null ? USUAL : wanted.limit();
        return ask(wanted, wanted.before(), limit).thenApply(page -> {
            ObjectNode body = Json.MAPPER.createObjectNode();
            ArrayNode operations = body.putArray("operations");
            page.rows().forEach(row -> operations.add(Json.tree(row)));
            body.put("next", page.next());
            return HttpResponse.create()
                    .withEntity(HttpEntities.create(
                            ContentTypes.APPLICATION_JSON, ByteString.fromString(Json.write(body))));
        });
    }

    /** Where the export goes on; it ends when there is nothing left. */
    private record Cursor(@Nullable Long before, long left) {}

    /** The first page is asked for before the answer begins, so that a lost coordinator shows as an error. */
    private CompletionStage<HttpResponse> lines(Wanted wanted) {
        long most = wanted.limit() == null ? Long.MAX_VALUE : wanted.limit();
        return ask(wanted, wanted.before(), (int) Math.min(most, MOST)).thenApply(first -> {
            Source<ByteString, NotUsed> rest = Source.unfoldAsync(
                    cursor(first, most),
                    cursor -> cursor.map(at -> next(wanted, at)).orElseGet(HistoryApi::end));
            return HttpResponse.create()
                    .withEntity(HttpEntities.create(
                            LINES, Source.single(text(first)).concat(rest)));
        });
    }

    private CompletionStage<Optional<Pair<Optional<Cursor>, ByteString>>> next(Wanted wanted, Cursor at) {
        return ask(wanted, at.before(), (int) Math.min(at.left(), MOST))
                .thenApply(page -> Optional.of(Pair.create(cursor(page, at.left()), text(page))));
    }

    private static CompletionStage<Optional<Pair<Optional<Cursor>, ByteString>>> end() {
        return CompletableFuture.completedFuture(Optional.empty());
    }

    private static Optional<Cursor> cursor(HistoryPage page, long before) {
        long left = before - page.rows().size();
        return page.next() == null || left <= 0 ? Optional.empty() : Optional.of(new Cursor(page.next(), left));
    }

    private static ByteString text(HistoryPage page) {
        StringBuilder text = new StringBuilder();
        page.rows().forEach(row -> text.append(row).append('\n'));
        return ByteString.fromString(text.toString());
    }

    private CompletionStage<HistoryPage> ask(Wanted wanted, @Nullable Long before, int limit) {
        return AskPattern.<Wire, HistoryPage>ask(
                coordinator,
                replyTo -> new GetHistory(wanted.model(), wanted.sinceMillis(), before, limit, replyTo),
                settings.askTimeout(),
                system.scheduler());
    }

    private static Wanted wanted(Map<String, String> parameters) {
        for (String name : parameters.keySet()) {
            if (!name.equals("model") && !name.equals("since") && !name.equals("before") && !name.equals("limit")) {
                throw new Requests.BadRequest(
                        "unknown parameter \"" + name + "\"; known are model, since, before, limit");
            }
        }
        Long limit = number(parameters, "limit", MOST);
        return new Wanted(
                parameters.get("model"),
                since(parameters.get("since")),
                number(parameters, "before", Long.MAX_VALUE),
                limit == null ? null : limit.intValue());
    }

    private static @Nullable Long since(@Nullable String value) {
        try {
            return value == null ? null : Instant.parse(value).toEpochMilli();
        } catch (DateTimeParseException e) {
            throw new Requests.BadRequest("since: must be a time like 2026-11-22T09:30:00Z but is \"" + value + "\"");
        }
    }

    private static @Nullable Long number(Map<String, String> parameters, String name, long most) {
        String value = parameters.get(name);
        if (value == null) {
            return null;
        }
        try {
            long number = Long.parseLong(value);
            if (number >= 1 && number <= most) {
                return number;
            }
        } catch (NumberFormatException e) {
            // Said below, with the range.
        }
        throw new Requests.BadRequest(
                name + ": must be a whole number from 1 to " + most + " but is \"" + value + "\"");
    }
}
