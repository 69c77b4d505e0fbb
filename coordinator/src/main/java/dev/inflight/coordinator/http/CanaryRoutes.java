package dev.inflight.coordinator.http;

import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.javadsl.AskPattern;
import akka.http.javadsl.model.HttpResponse;
import dev.inflight.coordinator.http.Endpoint.Call;
import dev.inflight.protocol.cluster.Canary;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.protocol.cluster.Origin;
import dev.inflight.protocol.cluster.TrainerCommand.DecideCanary;
import dev.inflight.protocol.cluster.TrainerCommand.DecideCanary.Decision;
import dev.inflight.protocol.cluster.Wire;
import java.util.concurrent.CompletionStage;
import org.jspecify.annotations.Nullable;

/** What is said about canaries over HTTP, beside the update that begins one. */
final class CanaryRoutes {
    private static final double LONGEST_SECONDS = 86_400;

    private final ActorSystem<?> system;
    private final ActorRef<Wire> coordinator;
    private final HttpSettings settings;

    CanaryRoutes(ActorSystem<?> system, ActorRef<Wire> coordinator, HttpSettings settings) {
        this.system = system;
        this.coordinator = coordinator;
        this.settings = settings;
    }

    /** The canary that an update is to begin with; null if it has none. */
    static @Nullable Canary of(Requests.Update request) {
        Double seconds = request.holdSeconds();
        if (request.canary() == null) {
            if (seconds != null || request.check() != null) {
                throw new Requests.BadRequest(
                        (seconds != null ? "holdSeconds" : "check") + ": is for updates with \"canary\" only");
            }
            return null;
        }
        if (seconds != null && !(seconds > 0 && seconds <= LONGEST_SECONDS)) {
            throw new Requests.BadRequest(
                    "holdSeconds: must be above 0 and at most " + (long) LONGEST_SECONDS + " but is " + seconds);
        }
        Long holdMs = seconds == null ? null : Long.valueOf(Math.max(1, Math.round(seconds * 1e3)));
        return new Canary(request.canary(), holdMs, request.check());
    }

    CompletionStage<HttpResponse> promote(Call call) {
        return decide(call, Decision.PROMOTE);
    }

    CompletionStage<HttpResponse> revert(Call call) {
        return decide(call, Decision.REVERT);
    }

    private CompletionStage<HttpResponse> decide(Call call, Decision decision) {
        Requests.Decide request = Requests.read(call.body().toArray(), Requests.Decide.class);
        Origin origin = call.origin(request.requester(), null);
        return AskPattern.<Wire, OperationReply>ask(
                        coordinator,
                        replyTo -> new DecideCanary(
                                request.operation(),
                                request.model(),
                                decision,
                                request.detectedBy(),
                                request.reason(),
                                origin,
                                replyTo),
                        settings.askTimeout(),
                        system.scheduler())
                .thenApply(HttpApi::taken);
    }
}
