package dev.inflight.cli;

import dev.inflight.cli.console.Table;
import dev.inflight.cli.demo.Installation;
import dev.inflight.cli.doctor.Check;
import dev.inflight.cli.doctor.Doctor;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(
        name = "doctor",
        description =
                "Look this machine over: what Inflight needs, what it has, what to do. Exit code 1 if it cannot run.")
@SuppressWarnings("NullAway.Init")
final class DoctorCommand implements Callable<Integer> {
    @Mixin
    private Answer answer;

    @Override
    public Integer call() throws InterruptedException {
        List<Check> checks = Doctor.examine(Installation.current().home());
        boolean healthy = checks.stream().noneMatch(check -> check.level() == Check.Level.FAIL);
        answer.print(Report.of(healthy, checks), text(checks));
        return healthy ? ExitCode.OK : ExitCode.FAILED;
    }

    private static String text(List<Check> checks) {
        Table table = new Table();
        for (Check check : checks) {
            String advice = check.advice().isEmpty() ? "" : " -> " + check.advice();
            table.row(level(check), check.name(), check.found() + advice);
        }
        return table.toString();
    }

    private static String level(Check check) {
        return check.level().name().toLowerCase(Locale.ROOT);
    }

    /** The JSON form. */
    record Report(boolean healthy, List<Line> checks) {
        static Report of(boolean healthy, List<Check> checks) {
            return new Report(
                    healthy,
                    checks.stream()
                            .map(check -> new Line(check.name(), level(check), check.found(), check.advice()))
                            .toList());
        }

        record Line(String name, String level, String found, String advice) {}
    }
}
