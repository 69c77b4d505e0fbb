package dev.inflight.coordinator.canary;

import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodySubscriber;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executors;
import java.util.concurrent.Flow;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Makes a check once, within a bounded time and of a bounded answer. Follows no redirect and uses no proxy, either of which
 * would ask somebody who is not in the list. Thread-safe.
 */
public final class CheckProbe {
    /** Of metrics of a large process; what is longer fails the check. */
    private static final int LONGEST_ANSWER = 4 << 20;

    private final HttpClient http;
    private final Duration timeout;

    /** @param timeout from the first packet to the last byte */
    private CheckProbe(Duration timeout) {
        this.timeout = timeout;
        this.http = HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .followRedirects(HttpClient.Redirect.NEVER)
                .proxy(HttpClient.Builder.NO_PROXY)
                .connectTimeout(timeout)
                .executor(Executors.newVirtualThreadPerTaskExecutor())
                .build();
    }

    /** One whose client is made when it is first needed. */
    public static Function<CanaryCheck, CompletionStage<CheckResult>> lazily(Duration timeout) {
        Supplier<CheckProbe> made = new Supplier<>() {
            private @Nullable CheckProbe probe;

            @Override
            public synchronized CheckProbe get() {
                CheckProbe made = probe;
                if (made == null) {
                    made = new CheckProbe(timeout);
                    probe = made;
                }
                return made;
            }
        };
        return check -> made.get().run(check);
    }

    private CompletionStage<CheckResult> run(CanaryCheck check) {
        return switch (check) {
            case CanaryCheck.Client client -> CompletableFuture.completedFuture(CheckResult.PASSED);
            case CanaryCheck.Http asked -> get(asked.uri(), body -> CheckResult.PASSED);
            case CanaryCheck.Metric metric ->
                get(metric.uri(), body -> {
                    String violation = metric.condition().violation(body);
                    return violation == null
                            ? CheckResult.PASSED
                            : CheckResult.failed(violation + " at " + metric.uri());
                });
        };
    }

    private CompletionStage<CheckResult> get(URI uri, Function<String, CheckResult> judge) {
        HttpRequest request = HttpRequest.newBuilder(uri).timeout(timeout).GET().build();
        CompletableFuture<HttpResponse<String>> answer = http.sendAsync(request, info -> new Bounded());
        CompletableFuture<HttpResponse<String>> bounded =
                answer.copy().orTimeout(timeout.toMillis(), TimeUnit.MILLISECONDS);
        return bounded.handle((response, failure) -> {
            answer.cancel(true);
            if (failure != null) {
                return CheckResult.failed("GET " + uri + ": " + describe(failure));
            }
            return response.statusCode() / 100 == 2
                    ? judge.apply(response.body())
                    : CheckResult.failed("GET " + uri + ": HTTP " + response.statusCode());
        });
    }

    private String describe(Throwable failure) {
        Throwable cause =
                failure instanceof CompletionException && failure.getCause() != null ? failure.getCause() : failure;
        if (cause instanceof TimeoutException) {
            return "no answer within " + timeout.toMillis() + " ms";
        }
        String message = cause.getMessage();
        return message == null ? cause.getClass().getSimpleName() : message;
    }

    /** Takes a text of no more than {@link #LONGEST_ANSWER} bytes. */
    private static final class Bounded implements BodySubscriber<String> {
        private final CompletableFuture<String> body = new CompletableFuture<>();
        private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        private Flow.@Nullable Subscription subscription;

        @Override
        public CompletionStage<String> getBody() {
            return body;
        }

        @Override
        public void onSubscribe(Flow.Subscription begun) {
            subscription = begun;
            begun.request(Long.MAX_VALUE);
        }

        @Override
        public void onNext(List<ByteBuffer> buffers) {
            for (ByteBuffer buffer : buffers) {
                byte[] part = new byte[buffer.remaining()];
                buffer.get(part);
                if (bytes.size() + part.length > LONGEST_ANSWER) {
                    body.completeExceptionally(new IllegalStateException("more than " + LONGEST_ANSWER + " bytes"));
                    if (subscription != null) {
                        subscription.cancel();
                    }
                    return;
                }
                bytes.writeBytes(part);
            }
        }

        @Override
        public void onError(Throwable failure) {
            body.completeExceptionally(failure);
        }

        @Override
        public void onComplete() {
            body.complete(bytes.toString(StandardCharsets.UTF_8));
        }
    }
}
