package dev.inflight.cli;

import dev.inflight.cli.client.CoordinatorClient;
import java.net.URI;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The {@code --coordinator} option. */
final class CoordinatorOption {
    @Spec(Spec.Target.MIXEE)
    @SuppressWarnings("NullAway.Init")
    private CommandSpec command;

    @Option(
            names = "--coordinator",
            paramLabel = "URL",
            defaultValue = "${env:INFLIGHT_COORDINATOR:-http://127.0.0.1:8780}",
            description = "Address of the coordinator's HTTP API (default: ${DEFAULT-VALUE}).")
    @SuppressWarnings("NullAway.Init")
    private String url;

    CoordinatorClient connect() {
        try {
            URI uri = URI.create(url);
            if (("http".equals(uri.getScheme()) || "https".equals(uri.getScheme())) && uri.getHost() != null) {
                return new CoordinatorClient(uri);
            }
        } catch (IllegalArgumentException e) {
            // Told below, like any other text that is no address.
        }
        throw new ParameterException(
                command.commandLine(), "--coordinator \"" + url + "\" is not like http://127.0.0.1:8780");
    }
}
