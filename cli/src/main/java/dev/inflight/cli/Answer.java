package dev.inflight.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.inflight.cli.console.Progress;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The {@code --json} option and what a command answers: one JSON object or text, on standard output. */
final class Answer {
    @Spec(Spec.Target.MIXEE)
    @SuppressWarnings("NullAway.Init")
    private CommandSpec command;

    @Option(
            names = "--json",
            description = "Print one JSON object as the last line of standard output, and nothing else on it.")
    private boolean json;

    /** Prints the answer; {@code object} is anything Jackson writes as a JSON object. */
    void print(Object object, String text) {
        try {
            command.commandLine().getOut().println(json ? new ObjectMapper().writeValueAsString(object) : text);
            command.commandLine().getOut().flush();
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("cannot write the answer as JSON", e);
        }
    }

    /** Progress on standard error. */
    Progress progress() {
        return new Progress(command.commandLine().getErr(), Progress.stderrIsTerminal());
    }
}
