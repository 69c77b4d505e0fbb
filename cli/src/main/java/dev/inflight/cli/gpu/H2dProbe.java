package dev.inflight.cli.gpu;

import dev.inflight.worker.cuda.CudaGpu;
import dev.inflight.worker.device.ShmNames;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Measures what host memory can give to GPUs: copies from 1 GiB of registered shared memory per GPU. Holds that memory,
 * and as much of every GPU, until it is closed. Used by one thread.
 */
public final class H2dProbe implements AutoCloseable {
    /** Taken of every GPU. */
    public static final long BYTES = 1L << 30;

    private static final int ROUNDS = 5;

    private final List<CopyLane> lanes = new ArrayList<>();

    private H2dProbe() {}

    public static H2dProbe open(List<CudaGpu> gpus) throws InterruptedException {
        ShmNames names = new ShmNames(Path.of("/dev/shm"), "h2d-ceiling");
        names.sweep();
        H2dProbe probe = new H2dProbe();
        try {
            for (CudaGpu gpu : gpus) {
                probe.lanes.add(new CopyLane(gpu, BYTES, names));
            }
            // The first copy pays for what the driver sets up.
            copy(probe.lanes);
            return probe;
        } catch (RuntimeException | InterruptedException e) {
            probe.close();
            throw e;
        }
    }

    /** To each GPU alone, in 10^9 bytes per second; the median of some rounds. */
    public List<Double> eachGBps() throws InterruptedException {
        List<Double> each = new ArrayList<>();
        for (int gpu = 0; gpu < lanes.size(); gpu++) {
            each.add(aloneGBps(gpu));
        }
        return each;
    }

    /**
     * To one GPU alone, in 10^9 bytes per second; the median of some rounds.
     *
     * @param gpu its position among those the probe was opened with
     */
    public double aloneGBps(int gpu) throws InterruptedException {
        return medianGBps(List.of(lanes.get(gpu)));
    }

    /** To all at once, in 10^9 bytes per second; the median of some rounds, which take about a tenth of a second. */
    public double sumGBps() throws InterruptedException {
        return medianGBps(lanes);
    }

    private static double medianGBps(List<CopyLane> lanes) throws InterruptedException {
        double[] rates = new double[ROUNDS];
        for (int round = 0; round < ROUNDS; round++) {
            long begin = System.nanoTime();
            copy(lanes);
            rates[round] = (double) lanes.size() * BYTES / (System.nanoTime() - begin);
        }
        Arrays.sort(rates);
        return rates[ROUNDS / 2];
    }

    private static void copy(List<CopyLane> lanes) throws InterruptedException {
        lanes.forEach(CopyLane::begin);
        for (CopyLane lane : lanes) {
            lane.await();
        }
    }

    @Override
    public void close() {
        lanes.reversed().forEach(CopyLane::close);
    }
}
