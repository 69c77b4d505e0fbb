package dev.inflight.cli.demo;

import org.jspecify.annotations.Nullable;

/**
 * How a scenario ended.
 *
 * @param report for everybody
 * @param firstProblem the first failed or mixed request, with engine and seed
 */
public record ScenarioOutcome<R extends ScenarioReport>(
        R report, @Nullable String firstProblem) {}
