package dev.inflight.cli;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Map;
import picocli.CommandLine;

/** How an error is told: one line on standard error and, for who asked for JSON, one object on standard output. */
final class ErrorLine {
    private ErrorLine() {}

    static void print(CommandLine command, String message, boolean json) {
        print(command, message, Map.of(), json);
    }

    /** @param more what else the object has */
    static void print(CommandLine command, String message, Map<String, String> more, boolean json) {
        String line = message.strip().replaceAll("\\s*\\R\\s*", " ");
        command.getErr().println("inflight: " + line);
        command.getErr().flush();
        if (json) {
            ObjectNode object = new JsonMapper().createObjectNode().put("error", line);
            more.forEach(object::put);
            command.getOut().println(object);
            command.getOut().flush();
        }
    }
}
