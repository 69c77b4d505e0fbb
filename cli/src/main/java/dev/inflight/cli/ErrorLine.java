package dev.inflight.cli;

import com.fasterxml.jackson.databind.json.JsonMapper;
import picocli.CommandLine;

/** How an error is told: one line on standard error and, for who asked for JSON, one object on standard output. */
final class ErrorLine {
    private ErrorLine() {}

    static void print(CommandLine command, String message, boolean json) {
        String line = message.strip().replaceAll("\\s*\\R\\s*", " ");
        command.getErr().println("inflight: " + line);
        command.getErr().flush();
        if (json) {
            command.getOut().println(new JsonMapper().createObjectNode().put("error", line));
            command.getOut().flush();
        }
    }
}
