package dev.inflight.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.inflight.protocol.checkpoint.Dtype;
import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.link.EngineMessage;
import dev.inflight.protocol.link.EngineMessage.Aborted;
import dev.inflight.protocol.link.EngineMessage.Begun;
import dev.inflight.protocol.link.EngineMessage.Committed;
import dev.inflight.protocol.link.EngineMessage.Ended;
import dev.inflight.protocol.link.EngineMessage.Failed;
import dev.inflight.protocol.link.EngineShare;
import dev.inflight.protocol.link.SlotMemory;
import dev.inflight.protocol.link.SlotRef;
import dev.inflight.protocol.link.TensorPart;
import dev.inflight.protocol.link.WorkerMessage.Abort;
import dev.inflight.protocol.link.WorkerMessage.Begin;
import dev.inflight.protocol.link.WorkerMessage.Commit;
import dev.inflight.protocol.link.WorkerMessage.End;
import dev.inflight.protocol.link.WorkerMessage.Load;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.Tuple;
import net.jqwik.api.lifecycle.AfterContainer;
import net.jqwik.api.lifecycle.BeforeContainer;

/**
 * Whatever the worker sends, in whatever order, what requests see is one whole version: every byte of version n is n,
 * and the version's name says so.
 */
class NoMixturesTest {
    private static final int TENSORS = 4;
    private static final int TENSOR_BYTES = 8;
    private static final int VERSIONS = 5;

    /** One message, or the loss of the link. Epochs are relative to the highest used, so that many fit. */
    record Step(Verb verb, int epochOffset, int tensor, LoadMode mode) {}

    enum Verb {
        BEGIN,
        LOAD,
        LOAD_ALL,
        END,
        COMMIT,
        ABORT,
        LINK_LOST
    }

    private static Path slot;

    @BeforeContainer
    static void makeSlot() throws IOException {
        slot = Files.createTempFile(Path.of("/dev/shm"), "inflight-test-", ".slot");
        byte[] bytes = new byte[VERSIONS * TENSOR_BYTES];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) (i / TENSOR_BYTES);
        }
        Files.write(slot, bytes);
    }

    @AfterContainer
    static void removeSlot() throws IOException {
        Files.deleteIfExists(slot);
    }

    @Provide
    Arbitrary<List<Step>> steps() {
        Arbitrary<Step> step = Combinators.combine(
                        Arbitraries.frequency(
                                Tuple.of(4, Verb.BEGIN),
                                Tuple.of(4, Verb.LOAD),
                                Tuple.of(6, Verb.LOAD_ALL),
                                Tuple.of(6, Verb.END),
                                Tuple.of(6, Verb.COMMIT),
                                Tuple.of(2, Verb.ABORT),
                                Tuple.of(1, Verb.LINK_LOST)),
                        Arbitraries.of(0, 0, 0, 0, -1, 1),
                        Arbitraries.integers().between(0, TENSORS - 1),
                        Arbitraries.of(LoadMode.class))
                .as(Step::new);
        return step.list().ofMinSize(1).ofMaxSize(60);
    }

    @Property(tries = 500)
    void requestsSeeOneWholeVersionOrNone(@ForAll("steps") List<Step> steps, @ForAll boolean reserveShadow)
            throws Exception {
        Engine engine = new Engine(reserveShadow);
        for (Step step : steps) {
            engine.play(step);
            engine.assertNoMixture();
        }
    }

    /** An engine and what its worker must remember of it. */
    private static final class Engine {
        private final RequestGate gate = new RequestGate(0, 0);
        private final WeightUpdates updates;
        private long epoch;

        Engine(boolean reserveShadow) {
            updates = new WeightUpdates(
                    new EngineState("m", EnumSet.allOf(LoadMode.class)),
                    gate,
                    new Parameters(reserveShadow, WarmMemory.touch(0)),
                    EngineShare.ALL,
                    () -> 0);
        }

        void play(Step step) {
            long epochGiven = Math.max(0, epoch + step.epochOffset());
            int version = version(epochGiven);
            switch (step.verb()) {
                case BEGIN -> begin(step.mode());
                case LOAD -> updates.load(load(epochGiven, version, Set.of(step.tensor())));
                case LOAD_ALL -> {
                    for (int tensor = 0; tensor < TENSORS; tensor++) {
                        updates.load(load(epochGiven, version, Set.of(tensor)));
                    }
                }
                case END -> assertThat(updates.end(new End(epochGiven))).isInstanceOfAny(Ended.class, Failed.class);
                case COMMIT -> commit(epochGiven, "v" + version);
                case ABORT -> abort(epochGiven);
                case LINK_LOST -> updates.linkLost();
            }
        }

        private void begin(LoadMode mode) {
            long next = epoch + 1;
            String version = "v" + version(next);
            EngineMessage answer = updates.begin(new Begin(
                    next,
                    "m",
                    version,
                    "digest of " + version,
                    mode,
                    TENSORS,
                    TENSORS * TENSOR_BYTES,
                    List.of(new SlotRef(0, SlotMemory.shm(slot.toString(), 0, VERSIONS * TENSOR_BYTES)))));
            if (answer instanceof Begun) {
                epoch = next;
                assertThat(updates.begin(new Begin(next, "m", version, "d", mode, 0, 0, List.of())))
                        .as("a begin with a used epoch")
                        .isInstanceOf(Failed.class);
            }
        }

        private void commit(long epochGiven, String version) {
            EngineMessage answer = updates.commit(new Commit(epochGiven, version));
            if (answer instanceof Committed committed) {
                assertThat(committed.epoch()).isEqualTo(epoch);
                assertThat(updates.status().state()).isEqualTo(EngineStatus.State.SERVING);
            }
        }

        private void abort(long epochGiven) {
            WeightUpdates.Status before = updates.status();
            Aborted aborted = (Aborted) updates.abort(new Abort(epochGiven, "a test"));
            if (epochGiven != epoch) {
                assertThat(updates.status()).isEqualTo(before);
            }
            assertThat(aborted.version() != null).isEqualTo(aborted.state() == EngineStatus.State.SERVING);
        }

        void assertNoMixture() throws InterruptedException {
            try (RequestGate.Pass pass = gate.enter()) {
                WeightUpdates.Serving serving = updates.serving();
                assertThat(serving.parameters()).hasSize(TENSORS);
                assertThat(serving.parameters().stream()
                                .flatMap(parameter -> versionsIn(parameter).stream())
                                .distinct())
                        .as(serving.version().name())
                        .containsExactly(serving.version().name());
            } catch (RequestGate.ClosedException e) {
                assertThat(updates.status().state()).isNotEqualTo(EngineStatus.State.SERVING);
            }
        }

        private static Set<String> versionsIn(Parameter parameter) {
            byte[] bytes = parameter.memory().toArray(ValueLayout.JAVA_BYTE);
            return IntStream.range(0, bytes.length)
                    .mapToObj(i -> "v" + bytes[i])
                    .collect(Collectors.toSet());
        }

        private static int version(long epoch) {
            return (int) (epoch % VERSIONS);
        }

        private static Load load(long epoch, int version, Set<Integer> tensors) {
            return new Load(
                    epoch,
                    0,
                    0,
                    tensors.stream()
                            .map(tensor -> new TensorPart(
                                    "t" + tensor,
                                    Dtype.U8,
                                    List.of((long) TENSOR_BYTES),
                                    (long) version * TENSOR_BYTES,
                                    TENSOR_BYTES,
                                    0))
                            .toList());
        }
    }
}
