package dev.inflight.cli;

import dev.inflight.cli.bench.PlanBench;
import dev.inflight.cli.console.ByteSize;
import dev.inflight.cli.model.ModelCatalog;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

@Command(
        name = "plan",
        description =
                "Compute the plan of an update of a real model's tensors over many workers, without moving a byte.")
@SuppressWarnings("NullAway.Init")
final class BenchPlanCommand implements Callable<Integer> {
    private static final int MOST_WORKERS = 1 << 16;

    @Spec
    private CommandSpec spec;

    @Mixin
    private Answer answer;

    @Option(
            names = "--model",
            paramLabel = "NAME",
            defaultValue = "kimi-k2",
            completionCandidates = Models.class,
            description = "One of ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
    private String model;

    @Option(
            names = "--workers",
            paramLabel = "N",
            defaultValue = "256",
            description = "GPU workers, eight to a host (default: ${DEFAULT-VALUE}).")
    private int workers;

    @Override
    public Integer call() {
        if (!ModelCatalog.names().contains(model)) {
            throw new ParameterException(
                    spec.commandLine(), "--model " + model + " is none of " + String.join(", ", ModelCatalog.names()));
        }
        if (workers < 1 || workers > MOST_WORKERS) {
            throw new ParameterException(
                    spec.commandLine(), "--workers " + workers + " is outside 1 to " + MOST_WORKERS);
        }
        PlanBench.Report report = PlanBench.run(model, workers);
        answer.print(report, text(report));
        return ExitCode.OK;
    }

    private static String text(PlanBench.Report report) {
        return String.format(
                Locale.ROOT,
                "%s, %d tensors, %s, %d workers: planned in %.1f ms, %.0f MiB of heap, largest message %s",
                report.model(),
                report.tensors(),
                ByteSize.format(report.bytes()),
                report.workers(),
                report.planMillis(),
                report.heapMiB(),
                ByteSize.format(report.largestMessageBytes()));
    }

    /** The catalog's names, for the help. */
    static final class Models implements Iterable<String> {
        @Override
        public Iterator<String> iterator() {
            return List.copyOf(ModelCatalog.names()).iterator();
        }
    }
}
