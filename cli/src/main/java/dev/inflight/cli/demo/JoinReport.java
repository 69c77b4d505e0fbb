package dev.inflight.cli.demo;

import dev.inflight.cli.demo.DemoReport.Requests;
import java.util.List;

/**
 * Outcome of a scenario in which engines join a fleet that serves.
 *
 * @param engine {@code reference} or {@code torch}
 * @param mode in which the fleet was updated before
 * @param path {@code tcp} or {@code mapped}: how bytes came to the hosts that joined
 * @param workers engines that served before
 * @param joiners engines that joined
 * @param bytes size of the checkpoint
 * @param tensors number of tensors
 * @param seconds from the first joiner's being up to the last one's serving
 * @param deliveredGBps checkpoint bytes times joiners, per second, in 10^9 bytes
 * @param joinSeconds from an engine's being up to its serving as the coordinator says, of the joiner that took longest
 * @param joinGBps checkpoint bytes / joinSeconds
 * @param transferSeconds from a joiner's first request for bytes to its last byte, of the joiner that took longest; part of
 *     joinSeconds; 0 if none came
 * @param transferGBps checkpoint bytes / transferSeconds; 0 if none came
 * @param ceilingGBps what {@link JoinPath} found in the same run
 * @param ratio joinGBps / ceiling
 * @param transferRatio transferGBps / ceiling
 * @param stallMs longest time during the joins in which one of the others answered nobody
 * @param attempts joins that began; as many as joiners if none had to be tried again
 * @param bytesResent bytes that came to a joiner more than once or were thrown away
 * @param sources hosts that bytes came from
 * @param bytesCast bytes of all joiners that hosts cast, once for all that joined at the same time
 * @param castSources hosts that cast
 * @param othersP99MsBefore 99th percentile of the others' latency before a joiner was started
 * @param othersP99MsDuring the same while engines joined
 * @param requests to the others all the while, and to the joiners at the end
 */
public record JoinReport(
        String scenario,
        String engine,
        String mode,
        String path,
        int workers,
        int joiners,
        long bytes,
        int tensors,
        double seconds,
        double deliveredGBps,
        double joinSeconds,
        double joinGBps,
        double transferSeconds,
        double transferGBps,
        double ceilingGBps,
        double ratio,
        double transferRatio,
        double stallMs,
        int attempts,
        long bytesResent,
        List<String> sources,
        long bytesCast,
        List<String> castSources,
        double othersP99MsBefore,
        double othersP99MsDuring,
        Requests requests,
        boolean verified)
        implements ScenarioReport {
    public JoinReport {
        sources = List.copyOf(sources);
        castSources = List.copyOf(castSources);
    }
}
