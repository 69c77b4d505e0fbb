package dev.inflight.coordinator.http;

import akka.event.LoggingAdapter;
import akka.http.ParsingErrorHandler;
import akka.http.javadsl.model.HttpResponse;
import akka.http.scaladsl.model.ErrorInfo;
import akka.http.scaladsl.model.StatusCode;
import akka.http.scaladsl.settings.ServerSettings;

/** Answers what is no HTTP request; made by Akka, by name. */
public final class UnreadableRequests extends ParsingErrorHandler {
    @Override
    public HttpResponse handle(StatusCode status, ErrorInfo info, LoggingAdapter log, ServerSettings settings) {
        log.debug("Unreadable request: {}", info.formatPretty());
        // The summary alone: the detail repeats what was sent.
        return Answers.error(status, info.summary().isEmpty() ? status.reason() : info.summary());
    }
}
