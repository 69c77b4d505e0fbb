package dev.inflight.tests.network;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.inflight.cli.client.Operation;
import dev.inflight.cli.load.LoadGenerator;
import dev.inflight.cli.load.LoadReport;
import dev.inflight.tests.Eventually;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicReference;

/**
 * Joins that are held up in one of their phases while somebody is lost: two hosts serve a version and hold it, and a
 * third one, which holds nothing, joins. Used by one thread.
 */
final class JoinLosses implements AutoCloseable {
    private static final String VERSION = NetworkFleet.VERSIONS.getFirst();

    /** Eight buckets, which two sources need two seconds for. */
    private static final long BYTES = 32 << 20;

    private static final int TENSORS = 16;
    private static final Map<String, String> SLOW_SOURCES =
            Map.of("inflight.worker.peer.max-source-bytes-per-second", "8MiB");

    /** A join must have ended so long after the loss. */
    private static final Duration END_LIMIT = Duration.ofSeconds(15);

    private static final Duration WAIT = Duration.ofSeconds(60);

    /** Where a join is held up. */
    enum Phase {
        /** Sources do not answer who asks for the manifest. */
        PREPARING,
        /** The worker does not hear that its engine has begun. */
        BEGINNING("begun"),
        /** The worker does not hear that its engine has loaded a bucket; bytes still come. */
        STREAMING("loaded", "ended"),
        /** The worker does not hear that its engine has committed. */
        COMMITTING("committed");

        private final Set<String> held;

        Phase(String... held) {
            this.held = Set.of(held);
        }

        /** As the coordinator calls it. */
        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** What befalls a join. */
    enum Loss {
        ENGINE_KILLED,
        JOINER_KILLED,
        JOINER_CUT_OFF,
        SOURCE_KILLED,
        SOURCE_CUT_OFF;

        boolean ofASource() {
            return this == SOURCE_KILLED || this == SOURCE_CUT_OFF;
        }
    }

    /** A join that is in a phase when somebody is lost. */
    record Meeting(Loss loss, Phase phase) {}

    private final NetworkFleet fleet;
    private final NetworkFleet.Host first;
    private final NetworkFleet.Host second;
    private final NetworkFleet.Host joiner;

    private JoinLosses(NetworkFleet fleet) throws Exception {
        this.fleet = fleet;
        this.first = fleet.hosts().getFirst();
        fleet.publish(VERSION);
        fleet.update(first, VERSION);
        this.second = fleet.add(1).getFirst();
        await(second);
        this.joiner = fleet.add(1).getFirst();
        await(joiner);
    }

    static JoinLosses start(Namespaces network) throws Exception {
        NetworkFleet fleet = NetworkFleet.start(network, 1, BYTES, TENSORS, SLOW_SOURCES);
        try {
            return new JoinLosses(fleet);
        } catch (Exception | AssertionError e) {
            fleet.close();
            throw e;
        }
    }

    /**
     * Joins of one engine are held up one after the other and meet with a loss each. They must end in time: without the
     * joiner, or without the source that was lost. The others serve all the while. A joiner that was lost joins by itself
     * when it is back, which is the next join; after the last one it has the right bytes.
     *
     * @param meetings none comes after a loss of a source, or a loss while committing
     */
    void outlives(List<Meeting> meetings) throws Exception {
        forget();
        try (LoadGenerator clients = fleet.ask(List.of(first, second))) {
            Deed come = joiner::startEngine;
            for (Meeting meeting : meetings) {
                meet(meeting, begin(meeting.phase(), come));
                come = () -> comeBack(meeting.loss());
            }
            come.run();
            await(second);
            await(joiner);
            LoadReport load = clients.stop();
            assertThat(load.failed()).as(load.firstProblem()).isZero();
            assertThat(load.mixed()).as(load.firstProblem()).isZero();
        }
        if (meetings.getLast().loss().ofASource()) {
            // Its host began anew, and holds nothing.
            fleet.replaceEngines(List.of(second));
            await(second);
        }
        fleet.verify();
    }

    private interface Deed {
        void run() throws Exception;
    }

    /** The joiner's host starts anew, without an engine and without shards. */
    private void forget() throws Exception {
        joiner.killEngine();
        joiner.kill();
        joiner.restart();
    }

    /** Has the joiner come, and returns its join when it is in a phase that it does not leave. */
    private String begin(Phase phase, Deed come) throws Exception {
        if (phase == Phase.PREPARING) {
            first.cut();
            second.cut();
        }
        joiner.gate().shut(phase.held);
        come.run();
        AtomicReference<String> join = new AtomicReference<>("");
        Eventually.until("a join is " + phase, WAIT, () -> {
            joiner.supervise();
            // What became of the join before may open it.
            joiner.gate().shut(phase.held);
            String id = joiner.status().at("/join/operation").asText("");
            join.set(id);
            return !id.isEmpty()
                    && phase.toString().equals(fleet.operation(id).phase())
                    && (phase == Phase.PREPARING || joiner.gate().holds());
        });
        return join.get();
    }

    private void meet(Meeting meeting, String join) throws Exception {
        Loss loss = meeting.loss();
        Phase phase = meeting.phase();
        long begin = System.nanoTime();
        befall(loss);
        if (phase == Phase.PREPARING) {
            first.mend();
            if (loss != Loss.SOURCE_CUT_OFF) {
                second.mend();
            }
        }
        if (loss.ofASource()) {
            joiner.gate().open();
        }
        Operation ended = ended(join);
        System.out.println(loss + " while " + phase + ": ended after " + (System.nanoTime() - begin) / 1_000_000
                + " ms: " + ended.phase() + ", " + ended.error());
        boolean goesOn = loss.ofASource() || phase == Phase.COMMITTING;
        assertThat(ended.phase()).as("%s", ended).isEqualTo(goesOn ? "committed" : "aborted");
        if (loss.ofASource() && phase == Phase.STREAMING) {
            // It was lost while it gave, and the other one gave the rest.
            assertThat(ended.result().path("sources").valueStream().map(JsonNode::asText))
                    .containsExactlyInAnyOrder(first.name(), second.name());
            assertThat(ended.result().path("receivedBytes").asLong()
                            - ended.result().path("resentBytes").asLong())
                    .isEqualTo(BYTES);
        }
    }

    private void befall(Loss loss) throws Exception {
        switch (loss) {
            case ENGINE_KILLED -> joiner.engine().kill();
            case JOINER_KILLED -> joiner.kill();
            case JOINER_CUT_OFF -> joiner.cut();
            case SOURCE_KILLED -> second.kill();
            case SOURCE_CUT_OFF -> second.cut();
        }
    }

    /** Processes that have ended are started again by whoever waits for them. */
    private void comeBack(Loss loss) throws Exception {
        switch (loss) {
            case ENGINE_KILLED -> joiner.startEngine();
            case JOINER_CUT_OFF -> {
                joiner.awaitEnd();
                joiner.mend();
            }
            case SOURCE_CUT_OFF -> second.mend();
            case JOINER_KILLED, SOURCE_KILLED -> {}
        }
    }

    private Operation ended(String join) {
        AtomicReference<Operation> ended = new AtomicReference<>();
        Eventually.until("the end of " + join, END_LIMIT, () -> {
            ended.set(fleet.operation(join));
            return !ended.get().running();
        });
        return ended.get();
    }

    /** A host whose process has ended is started again, as its supervisor does. */
    private void await(NetworkFleet.Host host) throws Exception {
        Eventually.until(host.name() + " serves", WAIT, () -> {
            host.supervise();
            return host.serves(VERSION);
        });
        host.requireServing(VERSION);
    }

    @Override
    public void close() throws Exception {
        fleet.close();
    }
}
