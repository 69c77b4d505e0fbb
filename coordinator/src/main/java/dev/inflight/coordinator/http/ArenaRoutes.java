package dev.inflight.coordinator.http;

import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.javadsl.AskPattern;
import akka.http.javadsl.model.HttpResponse;
import akka.http.javadsl.model.StatusCode;
import akka.http.javadsl.model.StatusCodes;
import dev.inflight.protocol.cluster.HostStoreCommand;
import dev.inflight.protocol.cluster.LeaseId;
import dev.inflight.protocol.cluster.LeaseReply;
import dev.inflight.protocol.cluster.LeaseReply.Lease;
import dev.inflight.protocol.cluster.OperationReply.Refused;
import dev.inflight.protocol.cluster.Wire;
import java.time.Duration;
import java.util.Locale;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** Arenas of host memory that trainers borrow to write checkpoints into. */
final class ArenaRoutes {
    /** Memory takes seconds to touch. */
    private static final long PREPARED_POLL_MS = 20;

    private final ActorSystem<?> system;
    private final ActorRef<Wire> coordinator;
    private final HttpSettings settings;

    ArenaRoutes(ActorSystem<?> system, ActorRef<Wire> coordinator, HttpSettings settings) {
        this.system = system;
        this.coordinator = coordinator;
        this.settings = settings;
    }

    record LendBody(
            @Nullable String host,
            @Nullable String machine,
            @Nullable Long bytes) {}

    record GiveBackBody() {}

    /** @param expiresInSeconds when the host takes the arena back unless it is published before */
    record LeaseView(
            String lease,
            String host,
            String state,
            @Nullable String source,
            @Nullable String path,
            long bytes,
            double expiresInSeconds,
            @Nullable String error) {
        static LeaseView of(Lease lease) {
            LeaseId id = LeaseId.parse(lease.lease());
            return new LeaseView(
                    lease.lease(),
                    lease.host(),
                    lease.state().name().toLowerCase(Locale.ROOT).replace('_', '-'),
                    id == null ? null : id.source(),
                    lease.path(),
                    lease.bytes(),
                    lease.expiresInMillis() / 1e3,
                    lease.error());
        }
    }

    CompletionStage<HttpResponse> lend(Endpoint.Call call) {
        LendBody request = Requests.read(call.body().toArray(), LendBody.class);
        Long bytes = request.bytes();
        if (bytes == null) {
            throw new Requests.BadRequest("bytes: is missing");
        }
        return ask(replyTo -> new HostStoreCommand.Lend(request.host(), request.machine(), bytes, replyTo))
                .thenApply(reply -> answer(StatusCodes.ACCEPTED, reply));
    }

    /** The lease once its memory is ready, or as it is when the wait is over. */
    CompletionStage<HttpResponse> lease(String lease, long waitMs) {
        return prepared(lease, System.nanoTime() + Duration.ofMillis(waitMs).toNanos())
                .thenApply(reply -> answer(StatusCodes.OK, reply));
    }

    CompletionStage<HttpResponse> giveBack(Endpoint.Call call) {
        Requests.read(call.body().toArray(), GiveBackBody.class);
        return ask(replyTo -> new HostStoreCommand.GiveBack(call.parameter("lease"), replyTo))
                .thenApply(reply -> answer(StatusCodes.OK, reply));
    }

    private CompletionStage<LeaseReply> prepared(String id, long deadlineNanos) {
        return ask(replyTo -> new HostStoreCommand.GetLease(id, replyTo)).thenCompose(reply -> {
            boolean preparing = reply instanceof Lease lease && lease.state() == Lease.State.PREPARING;
            if (!preparing || System.nanoTime() >= deadlineNanos) {
                return CompletableFuture.completedFuture(reply);
            }
            var later = CompletableFuture.delayedExecutor(
                    PREPARED_POLL_MS, TimeUnit.MILLISECONDS, system.executionContext()::execute);
            return CompletableFuture.supplyAsync(() -> prepared(id, deadlineNanos), later)
                    .thenCompose(answer -> answer);
        });
    }

    private CompletionStage<LeaseReply> ask(akka.japi.function.Function<ActorRef<LeaseReply>, Wire> command) {
        return AskPattern.ask(coordinator, command, settings.askTimeout(), system.scheduler());
    }

    private static HttpResponse answer(StatusCode code, LeaseReply reply) {
        return switch (reply) {
            case Lease lease -> Answers.json(code, LeaseView.of(lease));
            case Refused refused -> HttpApi.refused(refused);
        };
    }
}
