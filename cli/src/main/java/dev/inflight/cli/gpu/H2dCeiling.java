package dev.inflight.cli.gpu;

import dev.inflight.worker.cuda.CudaGpu;
import dev.inflight.worker.device.ShmNames;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * What host memory can give to GPUs, in 10^9 bytes per second. Every byte of an update from host memory has to go to some
 * GPU, so that no update is faster than its bytes at the sum's rate.
 *
 * @param each every GPU alone
 * @param sum all at once
 */
public record H2dCeiling(List<Double> each, double sum) {
    private static final long BYTES = 1L << 30;
    private static final int ROUNDS = 5;

    public H2dCeiling {
        each = List.copyOf(each);
    }

    /**
     * Copies from 1 GiB of registered shared memory per GPU and takes the median of some rounds. Takes seconds; gives
     * everything back.
     */
    public static H2dCeiling measure(List<CudaGpu> gpus) throws InterruptedException {
        ShmNames names = new ShmNames(Path.of("/dev/shm"), "h2d-ceiling");
        names.sweep();
        List<CopyLane> lanes = new ArrayList<>();
        try {
            for (CudaGpu gpu : gpus) {
                lanes.add(new CopyLane(gpu, BYTES, names));
            }
            List<Double> each = new ArrayList<>();
            for (CopyLane lane : lanes) {
                each.add(medianGBps(List.of(lane)));
            }
            return new H2dCeiling(each, medianGBps(lanes));
        } finally {
            lanes.reversed().forEach(CopyLane::close);
        }
    }

    private static double medianGBps(List<CopyLane> lanes) throws InterruptedException {
        // The first copy pays for what the driver sets up.
        copy(lanes);
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
}
