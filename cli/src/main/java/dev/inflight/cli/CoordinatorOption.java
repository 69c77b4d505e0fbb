package dev.inflight.cli;

import dev.inflight.cli.client.CoordinatorClient;
import dev.inflight.cli.client.Credentials;
import dev.inflight.protocol.tls.SecretFileException;
import java.net.URI;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
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

    @Option(
            names = "--token-file",
            paramLabel = "FILE",
            defaultValue = "${env:INFLIGHT_TOKEN_FILE}",
            description = "File with the token that the coordinator asks for, TOKEN or name:TOKEN"
                    + " (default: $INFLIGHT_TOKEN_FILE).")
    private @Nullable Path tokenFile;

    @Option(
            names = "--ca-file",
            paramLabel = "FILE",
            defaultValue = "${env:INFLIGHT_CA_FILE}",
            description = "Whose certificates to trust at https addresses, in PEM (default: $INFLIGHT_CA_FILE, or else"
                    + " those the JDK trusts).")
    private @Nullable Path authority;

    CoordinatorClient connect() {
        try {
            URI uri = URI.create(url);
            if (("http".equals(uri.getScheme()) || "https".equals(uri.getScheme())) && uri.getHost() != null) {
                return new CoordinatorClient(uri, Credentials.of(tokenFile, authority));
            }
        } catch (SecretFileException e) {
            throw new ParameterException(command.commandLine(), String.valueOf(e.getMessage()));
        } catch (IllegalArgumentException e) {
            // Told below, like any other text that is no address.
        }
        throw new ParameterException(
                command.commandLine(), "--coordinator \"" + url + "\" is not like http://127.0.0.1:8780");
    }
}
