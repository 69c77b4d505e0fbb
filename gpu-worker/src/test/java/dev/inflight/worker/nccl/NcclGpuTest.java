package dev.inflight.worker.nccl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * NCCL itself, on two GPUs; skipped where there are none. The system property {@code inflight.test.nccl} names its file
 * if the loader does not find it.
 */
@Tag("gpu")
@Timeout(value = 150, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class NcclGpuTest {
    private static final Duration BOUND = Duration.ofSeconds(60);
    private static final int BYTES = (32 << 20) + 1;
    private static final long OVERDUE_NS = Duration.ofSeconds(10).toNanos();

    @TempDir
    Path directory;

    private static TestCuda cuda;
    private static NcclLibrary library;

    private final ExecutorService threads = Executors.newFixedThreadPool(2);
    private final List<Process> processes = new ArrayList<>();

    @BeforeAll
    static void requireGpus() {
        Optional<TestCuda> driver = TestCuda.load();
        assumeTrue(driver.isPresent(), "no CUDA driver that starts on this machine");
        cuda = driver.get();
        int devices = cuda.devices();
        assumeTrue(devices >= 2, "two GPUs are needed, this machine has " + devices);
        String file = System.getProperty("inflight.test.nccl");
        Optional<NcclLibrary> found = file == null ? NcclLibrary.load() : Optional.of(NcclLibrary.load(Path.of(file)));
        assumeTrue(found.isPresent(), "no libnccl.so.2 on this machine");
        library = found.get();
        System.out.println(library + ", " + devices + " GPUs");
    }

    @AfterEach
    void endEverything() {
        threads.shutdownNow();
        processes.forEach(Process::destroyForcibly);
    }

    @Test
    void twoRanksOfOneProcessReceiveWhatEachSends() throws Exception {
        byte[] first = random(1);
        byte[] second = random(2);
        NcclId id = library.newId();
        List<List<byte[]>> received = both(rank -> {
            long stream = cuda.stream();
            long memory = cuda.allocate(2L * BYTES);
            try (NcclCommunicator communicator = join(id, rank)) {
                cuda.write(memory, rank == 0 ? first : new byte[BYTES]);
                communicator.broadcast(memory, BYTES, 0, stream);
                cuda.synchronize(stream);
                byte[] fromZero = cuda.read(memory, BYTES);
                cuda.write(memory, rank == 1 ? second : new byte[BYTES]);
                cuda.write(memory + BYTES, rank == 1 ? first : new byte[BYTES]);
                var spans = List.of(
                        new NcclCommunicator.Span(memory, BYTES), new NcclCommunicator.Span(memory + BYTES, BYTES));
                communicator.broadcast(spans, 1, stream);
                cuda.synchronize(stream);
                communicator.check();
                return List.of(fromZero, cuda.read(memory, BYTES), cuda.read(memory + BYTES, BYTES));
            }
        });
        for (List<byte[]> rank : received) {
            assertThat(rank.get(0)).isEqualTo(first);
            assertThat(rank.get(1)).isEqualTo(second);
            assertThat(rank.get(2)).isEqualTo(first);
        }
    }

    @Test
    void anAbortEndsAKernelThatWaitsForAPeer() throws Exception {
        NcclId id = library.newId();
        CountDownLatch done = new CountDownLatch(1);
        List<Integer> results = both(rank -> {
            long stream = cuda.stream();
            long memory = cuda.allocate(BYTES);
            NcclCommunicator communicator = join(id, rank);
            communicator.broadcast(memory, BYTES, 0, stream);
            cuda.synchronize(stream);
            if (rank == 0) {
                assertThat(done.await(60, TimeUnit.SECONDS)).isTrue();
                communicator.abort();
                return cuda.query(stream);
            }
            try {
                communicator.broadcast(memory, BYTES, 0, stream);
                assertThat(cuda.query(stream)).as("the root sent nothing").isEqualTo(TestCuda.NOT_READY);
                onAnotherThread(communicator::abort);
                int result = afterTheAbort(stream);
                assertThatThrownBy(communicator::check)
                        .isInstanceOf(NcclException.class)
                        .hasMessageContaining("aborted");
                return result;
            } finally {
                done.countDown();
            }
        });
        assertThat(results).containsExactly(0, 0);
    }

    @Test
    void aRankWithoutPeersGivesUpInTime() {
        cuda.use(0);
        NcclId id = library.newId();
        long start = System.nanoTime();
        assertThatThrownBy(() -> NcclCommunicator.create(library, id, 2, 0, Duration.ofSeconds(2)))
                .isInstanceOf(NcclException.class)
                .hasMessageContaining("still so after 2000 ms")
                .satisfies(e -> assertThat(e.getSuppressed()).isEmpty());
        assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(10));
    }

    @Test
    void aRankOutlivesAPeerThatIsKilledInMidStream() throws Exception {
        NcclId id = library.newId();
        Process root = start(id, 0);
        Process receiver = start(id, 1);
        StringBuilder said = new StringBuilder();
        BufferedReader output = receiver.inputReader();
        readUntil(output, NcclRankMain.ROUND + "50", said);
        root.destroyForcibly();
        long killed = System.nanoTime();
        boolean ended = receiver.waitFor(10, TimeUnit.SECONDS);
        long ms = (System.nanoTime() - killed) / 1_000_000;
        // Through its handle, which leaves the output readable.
        receiver.toHandle().destroyForcibly();
        receiver.waitFor();
        output.lines().forEach(line -> said.append(line).append('\n'));
        System.out.println("the receiver's end, " + ms + " ms after the root's:\n" + said);
        assertThat(ended).as("ended within 10 s, having said:\n" + said).isTrue();
        assertThat(receiver.exitValue()).as(said.toString()).isEqualTo(NcclRankMain.LOST);
        assertThat(said).contains("LOST " + NcclException.class.getName() + ": NCCL rank 1 of 2: ");
    }

    private static NcclCommunicator join(NcclId id, int rank) {
        return NcclCommunicator.create(library, id, 2, rank, BOUND);
    }

    private interface Rank<T> {
        T run(int rank) throws Exception;
    }

    /**
     * Runs both ranks, each on a thread of its own with its GPU current. A rank allocates before it joins: allocating
     * may wait for the peer's kernels, which may wait for this rank.
     */
    private <T> List<T> both(Rank<T> ranks) throws Exception {
        Future<T> first = threads.submit(onItsGpu(ranks, 0));
        Future<T> second = threads.submit(onItsGpu(ranks, 1));
        return List.of(first.get(120, TimeUnit.SECONDS), second.get(120, TimeUnit.SECONDS));
    }

    private static <T> Callable<T> onItsGpu(Rank<T> ranks, int rank) {
        return () -> {
            cuda.use(rank);
            return ranks.run(rank);
        };
    }

    private static void onAnotherThread(Runnable call) throws InterruptedException {
        Thread thread = Thread.ofPlatform().start(call);
        thread.join(OVERDUE_NS / 1_000_000);
        assertThat(thread.isAlive()).as("the abort has not returned").isFalse();
    }

    private static int afterTheAbort(long stream) {
        long start = System.nanoTime();
        int result = cuda.query(stream);
        while (result == TestCuda.NOT_READY && System.nanoTime() - start < OVERDUE_NS) {
            Thread.onSpinWait();
            result = cuda.query(stream);
        }
        return result;
    }

    private Process start(NcclId id, int rank) throws IOException {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path"),
                NcclRankMain.class.getName(),
                id.hex(),
                String.valueOf(rank)));
        String file = System.getProperty("inflight.test.nccl");
        if (file != null) {
            command.add(file);
        }
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        if (rank == 0) {
            builder.redirectOutput(directory.resolve("root.log").toFile());
        }
        Process process = builder.start();
        processes.add(process);
        return process;
    }

    private void readUntil(BufferedReader output, String expected, StringBuilder said) throws IOException {
        String line = output.readLine();
        while (line != null && !line.equals(expected)) {
            said.append(line).append('\n');
            line = output.readLine();
        }
        String root = Files.readString(directory.resolve("root.log"));
        assertThat(line)
                .as("the receiver ended early, having said:\n" + said + "the root:\n" + root)
                .isNotNull();
    }

    private static byte[] random(long seed) {
        byte[] bytes = new byte[BYTES];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }
}
