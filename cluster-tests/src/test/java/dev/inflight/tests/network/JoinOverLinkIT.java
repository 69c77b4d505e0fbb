package dev.inflight.tests.network;

import static org.assertj.core.api.Assertions.assertThat;

import dev.inflight.cli.load.LoadGenerator;
import dev.inflight.cli.load.LoadReport;
import dev.inflight.tests.Eventually;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * A join between hosts whose link, and not the two cores of a test machine, is what carries least: its time against that
 * of one raw connection over the same link.
 */
@Tag("heavy")
class JoinOverLinkIT {
    /** 1 Gbit/s. */
    private static final long LINK_BYTES_PER_SECOND = 1_000_000_000L / 8;

    private static final long BYTES = 1 << 30;
    private static final int TENSORS = 266;
    private static final int PORT = 25530;
    private static final double LEAST_RATIO = 0.7;

    /** Memory is touched while hosts start, and not while they join. */
    private static final Map<String, String> WARM =
            Map.of("inflight.worker.store.warm-bytes", String.valueOf(BYTES + BYTES / 50));

    /** In which answers get to their usual pace, and in which that pace is measured. */
    private static final Duration WINDOW = Duration.ofSeconds(4);

    private static final Duration JOIN_LIMIT = Duration.ofSeconds(90);
    private static final String VERSION = NetworkFleet.VERSIONS.getFirst();

    @Test
    void aJoinTakesLittleMoreThanItsBytesTakeOverTheLink() throws Exception {
        try (Namespaces network = Namespaces.require("a join against its link", LINK_BYTES_PER_SECOND);
                NetworkFleet fleet = NetworkFleet.start(network, 1, BYTES, TENSORS, WARM)) {
            NetworkFleet.Host source = fleet.hosts().getFirst();
            fleet.publish(VERSION);
            fleet.update(source, VERSION);
            NetworkFleet.Host joiner = fleet.addWithoutEngines(1).getFirst();
            double ceiling = raw(network);

            try (LoadGenerator others = fleet.ask(List.of(source))) {
                Thread.sleep(WINDOW);
                others.lap();
                Thread.sleep(WINDOW);
                LoadReport before = others.lap();
                joiner.startEngine();
                awaitSeen(joiner);
                others.lap();
                Set<String> joins = new TreeSet<>();
                Duration took = awaitServing(fleet, joiner, joins);
                LoadReport during = others.stop();
                double rate = BYTES / (took.toNanos() / 1e9);
                System.out.printf(
                        Locale.ROOT,
                        "join of %d MiB over %.0f Mbit/s: %.3f s, %.1f MB/s; one raw connection: %.1f MB/s; ratio %.3f;"
                                + " the source's engine: before %s, during %s%n",
                        BYTES >> 20,
                        LINK_BYTES_PER_SECOND * 8 / 1e6,
                        took.toNanos() / 1e9,
                        rate / 1e6,
                        ceiling / 1e6,
                        rate / ceiling,
                        before,
                        during);
                assertThat(during.failed() + during.mixed()).isZero();
                for (String join : joins) {
                    System.out.println(join + ": " + fleet.operation(join).result());
                }
                assertThat(rate / ceiling).isGreaterThanOrEqualTo(LEAST_RATIO);
            }
            joiner.requireServing(VERSION);
            fleet.verify();
        }
    }

    private static void awaitSeen(NetworkFleet.Host joiner) {
        Eventually.until("its engine is seen", JOIN_LIMIT, () -> joiner.status().isObject());
    }

    /**
     * From when the engine without weights is seen until it serves.
     *
     * @param joins is given the ids of the joins that were seen meanwhile
     */
    private static Duration awaitServing(NetworkFleet fleet, NetworkFleet.Host joiner, Set<String> joins) {
        long begin = System.nanoTime();
        Eventually.until("it serves", JOIN_LIMIT, () -> {
            joins.addAll(fleet.joins());
            return joiner.serves(VERSION);
        });
        return Duration.ofNanos(System.nanoTime() - begin);
    }

    /** Bytes per second of a raw connection from the first host to the second. */
    private static double raw(Namespaces network) throws IOException, InterruptedException {
        Process receiver = start(network, 1, "receive", String.valueOf(PORT), String.valueOf(BYTES));
        try (BufferedReader lines = receiver.inputReader()) {
            assertThat(lines.readLine()).isEqualTo("listening");
            Process sender = start(network, 0, "send", network.address(1), String.valueOf(PORT), String.valueOf(BYTES));
            try {
                return BYTES / (Long.parseLong(lines.readLine()) / 1e9);
            } finally {
                sender.destroyForcibly().waitFor();
            }
        } finally {
            receiver.destroyForcibly().waitFor();
        }
    }

    private static Process start(Namespaces network, int host, String... arguments) throws IOException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), RawTransfer.class.getName()));
        command.addAll(List.of(arguments));
        return new ProcessBuilder(network.on(host, command))
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
    }
}
