package dev.inflight.cli;

import dev.inflight.cli.console.Progress;
import dev.inflight.cli.demo.CanaryReport;
import dev.inflight.cli.demo.CanaryRevertScenario;
import dev.inflight.cli.demo.CheckpointPlace;
import dev.inflight.cli.demo.CorruptReport;
import dev.inflight.cli.demo.CorruptScenario;
import dev.inflight.cli.demo.EngineKind;
import dev.inflight.cli.demo.FailoverReport;
import dev.inflight.cli.demo.Installation;
import dev.inflight.cli.demo.JoinOptions;
import dev.inflight.cli.demo.JoinPath;
import dev.inflight.cli.demo.JoinReport;
import dev.inflight.cli.demo.JoinScenario;
import dev.inflight.cli.demo.KillCoordinatorScenario;
import dev.inflight.cli.demo.KillSourceScenario;
import dev.inflight.cli.demo.LeaveReport;
import dev.inflight.cli.demo.LeaveScenario;
import dev.inflight.cli.demo.RollbackReport;
import dev.inflight.cli.demo.RollbackScenario;
import dev.inflight.cli.demo.ScenarioOptions;
import dev.inflight.cli.demo.ScenarioOutcome;
import dev.inflight.cli.demo.ScenarioReport;
import dev.inflight.cli.demo.UpdateScenario;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

@Command(
        name = "demo",
        description =
                "Start a whole fleet on this machine, do something to it under load, verify, and stop everything.")
@SuppressWarnings("NullAway.Init")
final class DemoCommand implements Callable<Integer> {
    private static final String UPDATE = "update";
    private static final String JOIN = "join";
    private static final String MASS_JOIN = "mass-join";
    private static final List<String> SCENARIOS = List.of(
            UPDATE,
            JOIN,
            MASS_JOIN,
            KillSourceScenario.NAME,
            LeaveScenario.NAME,
            RollbackScenario.NAME,
            KillCoordinatorScenario.NAME,
            CanaryRevertScenario.NAME,
            CorruptScenario.NAME);

    private static final int USUAL_JOINERS = 3;
    private static final int MOST_JOINERS = 32;

    @Spec
    private CommandSpec spec;

    @Mixin
    private ScenarioFlags flags;

    @Mixin
    private Answer answer;

    @Option(
            names = "--scenario",
            paramLabel = "NAME",
            defaultValue = UPDATE,
            description = {
                "update: from v1 to v2 (default).",
                "join: one more worker host with an engine starts and comes to v1 by itself.",
                "mass-join: several of them at once (--joiners).",
                "kill-source: one joins; a host that sends to it is killed half-way. Hosts send slowly for it.",
                "leave: a worker host is stopped in order; the others go to v2 and back without the files.",
                "rollback: from v1 to v2 and back by a rollback.",
                "kill-coordinator: the coordinator is killed while an update streams; one of two that stand by ends it.",
                "canary-revert: one engine tries a v2 of NaNs; a check notices, and it goes back by itself.",
                "corrupt: bits are flipped in a host store, on the wire, in a slot, in the checkpoint's file and in live"
                        + " weights; each must be found and named, and none served.",
                "Clients keep asking the engines that serve, and every answer is checked."
            })
    private String scenario;

    @Option(
            names = "--joiners",
            paramLabel = "N",
            description = "Engines that join at once, each with a worker host; for mass-join (default: 3).")
    private @Nullable Integer joiners;

    @Option(
            names = "--path",
            paramLabel = "PATH",
            description =
                    "How bytes come to engines that join: tcp, as from another machine; mapped, out of the shared memory"
                            + " of this one; or own, out of that of their own host, whose engine is started anew"
                            + " (default: tcp).")
    private @Nullable String path;

    /** @param text the report for people */
    private record Shown(
            ScenarioReport report, String text, @Nullable String firstProblem) {}

    @Override
    public Integer call() throws InterruptedException {
        requireKnown();
        try (Progress progress = answer.progress()) {
            Shown shown = run(flags.options(CheckpointPlace.SHM), progress);
            answer.print(shown.report(), shown.text());
            if (shown.firstProblem() != null) {
                spec.commandLine().getErr().println("first bad request: " + shown.firstProblem());
            }
            return shown.report().passed() ? ExitCode.OK : ExitCode.FAILED;
        }
    }

    private Shown run(ScenarioOptions options, Progress progress) throws InterruptedException {
        Installation installation = Installation.current();
        if (scenario.equals(UPDATE)) {
            UpdateScenario.Outcome outcome = UpdateScenario.run(options, installation, progress);
            String text = DemoText.of(outcome.report(), outcome.load(), options.device());
            return new Shown(outcome.report(), text, outcome.load().firstProblem());
        }
        if (scenario.equals(RollbackScenario.NAME)) {
            ScenarioOutcome<RollbackReport> back = RollbackScenario.run(options, installation, progress);
            return new Shown(back.report(), DemoText.of(back.report()), back.firstProblem());
        }
        if (scenario.equals(KillCoordinatorScenario.NAME)) {
            ScenarioOutcome<FailoverReport> over = KillCoordinatorScenario.run(options, installation, progress);
            return new Shown(over.report(), DemoText.of(over.report()), over.firstProblem());
        }
        if (scenario.equals(CanaryRevertScenario.NAME)) {
            return canary(options, installation, progress);
        }
        require(options.tp() == 1, "--tp " + options.tp() + " is not for --scenario " + scenario);
        if (scenario.equals(CorruptScenario.NAME)) {
            require(options.workers() > 1, "--workers 1 has no wire between hosts; give 2 or more");
            require(!options.device().cuda(), "--device cuda has slots that only its processes see");
            require(options.source().isEmpty(), "--checkpoint: only a made-up one is damaged");
            ScenarioOutcome<CorruptReport> damaged = CorruptScenario.run(options, installation, progress);
            return new Shown(damaged.report(), DemoText.of(damaged.report()), damaged.firstProblem());
        }
        if (scenario.equals(LeaveScenario.NAME)) {
            require(options.workers() > 1, "--workers 1 leaves nobody; give 2 or more");
            require(!options.device().cuda(), "--device cuda has one worker host only, which cannot leave");
            ScenarioOutcome<LeaveReport> left = LeaveScenario.run(options, installation, progress);
            return new Shown(left.report(), DemoText.of(left.report()), left.firstProblem());
        }
        JoinOptions joining = new JoinOptions(options, joiners(), path());
        if (scenario.equals(KillSourceScenario.NAME)) {
            require(options.workers() > 1, "--workers 1 leaves no source; give 2 or more");
            require(joining.path() != JoinPath.OWN, "--path own has no source to kill");
            return shown(KillSourceScenario.run(joining, installation, progress));
        }
        return shown(JoinScenario.run(scenario, joining, installation, progress));
    }

    private Shown canary(ScenarioOptions options, Installation installation, Progress progress)
            throws InterruptedException {
        require(options.engine() == EngineKind.REFERENCE, "--scenario " + scenario + " runs reference engines only");
        require(options.tp() == 1, "--tp " + options.tp() + " is for --scenario update and rollback only");
        require(options.checkpoint() == null, "--checkpoint is not for --scenario " + scenario + ", which spoils v2");
        ScenarioOutcome<CanaryReport> back = CanaryRevertScenario.run(options, installation, progress);
        return new Shown(back.report(), DemoText.of(back.report()), back.firstProblem());
    }

    private static Shown shown(ScenarioOutcome<JoinReport> joined) {
        return new Shown(joined.report(), DemoText.of(joined.report()), joined.firstProblem());
    }

    private void requireKnown() {
        require(SCENARIOS.contains(scenario), "--scenario " + scenario + " is none of " + String.join(", ", SCENARIOS));
        require(joiners == null || scenario.equals(MASS_JOIN), "--joiners is for --scenario " + MASS_JOIN + " only");
        require(
                joiners == null || (joiners >= 1 && joiners <= MOST_JOINERS),
                "--joiners " + joiners + " is outside 1 to " + MOST_JOINERS);
        boolean joins = List.of(JOIN, MASS_JOIN, KillSourceScenario.NAME).contains(scenario);
        require(path == null || joins, "--path is for scenarios in which engines join");
        path();
    }

    private int joiners() {
        return scenario.equals(MASS_JOIN) ? Objects.requireNonNullElse(joiners, USUAL_JOINERS) : 1;
    }

    private JoinPath path() {
        return switch (Objects.requireNonNullElse(path, "tcp")) {
            case "tcp" -> JoinPath.TCP;
            case "mapped" -> JoinPath.MAPPED;
            case "own" -> JoinPath.OWN;
            default -> throw wrong("--path " + path + " is none of tcp, mapped, own");
        };
    }

    private void require(boolean right, String otherwise) {
        if (!right) {
            throw wrong(otherwise);
        }
    }

    private ParameterException wrong(String message) {
        return new ParameterException(spec.commandLine(), message);
    }
}
