package dev.inflight.cli.load;

import java.time.Duration;

/**
 * How hard to ask.
 *
 * @param clientsPerEngine concurrent clients of each engine
 * @param requestsPerSecond pace of one client; slower if the engine is
 * @param requestTimeout after which a request has failed; longer than any pause an update may make
 * @param seed of the questions' random numbers
 */
public record LoadSettings(int clientsPerEngine, int requestsPerSecond, Duration requestTimeout, long seed) {
    public LoadSettings {
        if (clientsPerEngine < 1 || requestsPerSecond < 1) {
            throw new IllegalArgumentException("clientsPerEngine " + clientsPerEngine + " and requestsPerSecond "
                    + requestsPerSecond + " must be at least 1");
        }
    }

    /** Two clients of 50 requests a second for every engine: a steady watch that leaves the cores to the update. */
    public static LoadSettings steady(long seed) {
        return new LoadSettings(2, 50, Duration.ofMinutes(2), seed);
    }

    Duration interval() {
        return Duration.ofSeconds(1).dividedBy(requestsPerSecond);
    }
}
