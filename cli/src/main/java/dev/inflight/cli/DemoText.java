package dev.inflight.cli;

import dev.inflight.cli.bench.Ceiling;
import dev.inflight.cli.console.ByteSize;
import dev.inflight.cli.console.Table;
import dev.inflight.cli.demo.CanaryReport;
import dev.inflight.cli.demo.CorruptReport;
import dev.inflight.cli.demo.DemoReport;
import dev.inflight.cli.demo.DemoReport.Requests;
import dev.inflight.cli.demo.FailoverReport;
import dev.inflight.cli.demo.FleetDevice;
import dev.inflight.cli.demo.JoinReport;
import dev.inflight.cli.demo.LeaveReport;
import dev.inflight.cli.demo.RollbackReport;
import dev.inflight.cli.load.LoadReport;
import java.util.Locale;

/** The outcomes of demos for people. */
final class DemoText {
    private DemoText() {}

    static String of(DemoReport report, LoadReport load, FleetDevice device) {
        return new Table()
                .row(
                        "update",
                        "v1 -> v2, " + report.mode() + ", " + report.workers() + " " + report.engine() + " engines"
                                + (report.tp() == null ? "" : " in groups of " + report.tp()) + ", by "
                                + report.exchange())
                .row("checkpoint", checkpoint(report.bytes(), report.tensors()))
                .row("duration", format("%.3f s", report.seconds()))
                .row(
                        "delivered",
                        format("%.2f GB/s, ", report.deliveredGBps())
                                + Ceiling.format(report.ratio(), report.ceilingGBps(), device))
                .row("stall", format("%.1f ms", report.stallMs()))
                .row(
                        "requests",
                        requests(report.requests()) + "; "
                                + format("p50 %.1f ms, ", load.p50Ms())
                                + format("p99 %.1f ms, ", load.p99Ms())
                                + format("longest gap %.1f ms", load.longestGapMs()))
                .row("verified", verified(report.verified()))
                .toString();
    }

    static String of(JoinReport report) {
        return new Table()
                .row(
                        "joined",
                        report.joiners() + (report.joiners() == 1 ? " engine to " : " engines to ") + report.workers()
                                + " " + report.engine() + " engines that serve v1, " + report.path())
                .row("checkpoint", checkpoint(report.bytes(), report.tensors()))
                .row("duration", format("%.3f s from up to serving, ", report.joinSeconds()) + together(report))
                .row(
                        "rate",
                        format("%.2f GB/s, ", report.joinGBps())
                                + format("%.2f of the ", report.ratio())
                                + format("%.1f GB/s ", report.ceilingGBps())
                                + (report.path().equals("tcp") ? "over loopback" : "two threads can copy"))
                .row(
                        "sources",
                        (report.sources().isEmpty() ? "its own host" : String.join(", ", report.sources())) + "; "
                                + cast(report)
                                + ByteSize.format(report.bytesResent()) + " resent"
                                + (report.attempts() > report.joiners()
                                        ? " in " + report.attempts() + " attempts"
                                        : ""))
                .row("others", others(report.othersP99MsBefore(), report.othersP99MsDuring()))
                .row("requests", requests(report.requests()))
                .row("verified", verified(report.verified()))
                .toString();
    }

    private static String cast(JoinReport report) {
        return report.bytesCast() == 0
                ? ""
                : ByteSize.format(report.bytesCast()) + " cast by " + String.join(", ", report.castSources()) + ", ";
    }

    static String of(LeaveReport report) {
        return new Table()
                .row("left", "1 of " + report.workers() + " worker hosts" + format(" in %.3f s", report.leaveSeconds()))
                .row("checkpoint", checkpoint(report.bytes(), report.tensors()))
                .row(
                        "then",
                        report.mode()
                                + format(" to v2 in %.3f s", report.seconds())
                                + format(", back to v1 in %.3f s", report.backSeconds()))
                .row("others", others(report.othersP99MsBefore(), report.othersP99MsDuring()))
                .row("requests", requests(report.requests()))
                .row("verified", verified(report.verified()))
                .toString();
    }

    static String of(RollbackReport report) {
        return new Table()
                .row(
                        "rolled back",
                        "v2 -> v1, " + report.mode() + ", " + report.workers() + " " + report.engine() + " engines, by "
                                + report.strategy() + ", " + report.outcome())
                .row("checkpoint", checkpoint(report.bytes(), report.tensors()))
                .row(
                        "duration",
                        format("%.3f s", report.rollbackSeconds())
                                + format(", the update before %.3f s", report.forwardSeconds()))
                .row(
                        "stall",
                        format("%.1f ms", report.stallMs())
                                + format(", in the update before %.1f ms", report.forwardStallMs()))
                .row("requests", requests(report.requests()))
                .row("verified", verified(report.verified()))
                .toString();
    }

    static String of(FailoverReport report) {
        return new Table()
                .row(
                        "killed",
                        "the coordinator, 1 of " + report.coordinators() + ", while " + report.workers() + " "
                                + report.engine() + " engines were " + report.killedIn() + " v1 -> v2, "
                                + report.mode())
                .row("checkpoint", checkpoint(report.bytes(), report.tensors()))
                .row(
                        "then",
                        report.outcome() + ", all serve " + report.version()
                                + format(" after %.3f s", report.failoverSeconds()) + ", detected by "
                                + report.detectedBy())
                .row("stall", format("%.1f ms", report.stallMs()))
                .row("requests", requests(report.requests()))
                .row("verified", verified(report.verified()))
                .toString();
    }

    static String of(CanaryReport report) {
        return new Table()
                .row(
                        "canary",
                        "v1 -> v2, whose weights are NaN, " + report.mode() + ", on " + report.canaries() + " of "
                                + report.workers() + " " + report.engine() + " engines: " + report.outcome())
                .row("checkpoint", checkpoint(report.bytes(), report.tensors()))
                .row(
                        "noticed",
                        "by " + report.detectedBy()
                                + (report.detectSeconds() == null
                                        ? ""
                                        : format(", %.3f s after it was served", report.detectSeconds())))
                .row("because", String.valueOf(report.reason()))
                .row(
                        "back",
                        report.rollbackSeconds() == null ? "not at all" : format("in %.3f s", report.rollbackSeconds()))
                .row("stall", report.stallMs() == null ? "unknown" : format("%.1f ms", report.stallMs()))
                .row("requests", requests(report.requests()))
                .row("verified", verified(report.verified()))
                .toString();
    }

    static String of(CorruptReport report) {
        Table table = new Table()
                .row(
                        "flipped bits",
                        report.places().size() + ", " + report.mode() + ", " + report.workers() + " " + report.engine()
                                + " engines, " + report.outcome());
        for (CorruptReport.Place place : report.places()) {
            String end = place.repaired() != null
                    ? "mended from " + place.repaired()
                    : place.refused() ? "refused" : "reported";
            table.row(
                    place.place(),
                    (place.detected() ? "found by " : "MISSED by ") + place.detectedBy() + ", "
                            + format("%.3f s", place.seconds()) + ", " + end + ": " + place.namedHost() + ": "
                            + place.namedFile() + ": " + place.namedTensor());
        }
        return table.row("checkpoint", checkpoint(report.bytes(), report.tensors()))
                .row("requests", requests(report.requests()))
                .row("verified", verified(report.verified()) + ", when all was mended")
                .toString();
    }

    private static String together(JoinReport report) {
        return report.joiners() == 1
                ? "with nobody asking"
                : format("all in %.3f s, ", report.seconds()) + "with nobody asking";
    }

    private static String checkpoint(long bytes, int tensors) {
        return ByteSize.format(bytes) + " in " + tensors + " tensors";
    }

    private static String others(double beforeMs, double duringMs) {
        return format("p99 %.1f ms before, ", beforeMs) + format("%.1f ms meanwhile", duringMs);
    }

    private static String requests(Requests requests) {
        return requests.sent() + " sent, " + requests.failed() + " failed, " + requests.mixed() + " mixed";
    }

    private static String verified(boolean verified) {
        return verified ? "every tensor of every engine, bit by bit" : "NO";
    }

    private static String format(String form, double value) {
        return String.format(Locale.ROOT, form, value);
    }
}
