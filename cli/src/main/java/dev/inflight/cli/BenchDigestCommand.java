package dev.inflight.cli;

import dev.inflight.cli.bench.DigestBench;
import dev.inflight.cli.console.ByteSize;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

@Command(
        name = "digest",
        description = "Compute what a publish computes of every block on one core, beside reading and copying.")
@SuppressWarnings("NullAway.Init")
final class BenchDigestCommand implements Callable<Integer> {
    private static final long LEAST_BYTES = 1 << 20;
    private static final long MOST_BYTES = 64L << 30;

    @Spec
    private CommandSpec spec;

    @Mixin
    private Answer answer;

    @Option(
            names = "--size",
            paramLabel = "SIZE",
            defaultValue = "512MiB",
            description = "Memory that each round goes over; as much again is copied to (default: ${DEFAULT-VALUE}).")
    private String size;

    @Override
    public Integer call() {
        DigestBench.Report report = DigestBench.run(bytes());
        answer.print(report, text(report));
        return ExitCode.OK;
    }

    private long bytes() {
        long bytes;
        try {
            bytes = ByteSize.parse(size);
        } catch (IllegalArgumentException e) {
            throw new ParameterException(spec.commandLine(), "--size " + e.getMessage());
        }
        if (bytes < LEAST_BYTES || bytes > MOST_BYTES) {
            throw new ParameterException(spec.commandLine(), "--size " + size + " is outside 1MiB to 64GiB");
        }
        return bytes;
    }

    private static String text(DigestBench.Report report) {
        return String.format(
                Locale.ROOT,
                "one core digests %.1f GB/s (CRC32C alone %.1f, XXH3-128 alone %.1f): %.2f of the %.1f GB/s it reads,"
                        + " %.2f of the %.1f GB/s it copies",
                report.digestGBps(),
                report.crcGBps(),
                report.xxh3GBps(),
                report.ratio(),
                report.readGBps(),
                report.ratioOfCopy(),
                report.copyGBps());
    }
}
