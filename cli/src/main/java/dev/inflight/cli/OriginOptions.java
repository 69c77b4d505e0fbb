package dev.inflight.cli;

import dev.inflight.cli.client.Origin;
import java.net.InetAddress;
import java.net.UnknownHostException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The options that say who asks for an operation. */
final class OriginOptions {
    @Option(
            names = "--idempotency-key",
            paramLabel = "KEY",
            description =
                    "Repeated with the same key, the same command means the same operation: nothing is done twice.")
    private @Nullable String key;

    @Option(names = "--requester", paramLabel = "NAME", description = "Who asks, for the history (default: user@host).")
    private @Nullable String requester;

    Origin origin() {
        return new Origin(requester == null ? userAtHost() : requester, key);
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
