package dev.inflight.cli;

import dev.inflight.cli.client.Origin;
import java.net.InetAddress;
import java.net.UnknownHostException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The option that says who asks. */
final class RequesterOption {
    @Option(names = "--requester", paramLabel = "NAME", description = "Who asks, for the history (default: user@host).")
    private @Nullable String requester;

    String name() {
        return requester == null ? userAtHost() : requester;
    }

    Origin origin() {
        return new Origin(name(), null);
    }

    private static String userAtHost() {
        String user = System.getProperty("user.name");
        try {
            return user + "@" + InetAddress.getLocalHost().getHostName();
        } catch (UnknownHostException e) {
            return user + "@localhost";
        }
    }
}
