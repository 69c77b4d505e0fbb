package dev.inflight.cli.bench;

import dev.inflight.cli.console.Progress;
import dev.inflight.cli.demo.FleetDevice;
import dev.inflight.cli.gpu.H2dProbe;
import dev.inflight.cli.gpu.VisibleGpus;
import java.util.Locale;
import java.util.OptionalDouble;

/**
 * The rate that an update of a local fleet is compared with. On the host it is what two threads can copy, measured when
 * the fleet has nothing to do; on GPUs it is what all engines get if every byte goes to one GPU at the rate of all
 * together and from there to the others in no time, measured before the fleet takes the GPUs.
 */
public final class Ceiling {
    private final OptionalDouble measuredGBps;

    private Ceiling(OptionalDouble measuredGBps) {
        this.measuredGBps = measuredGBps;
    }

    /**
     * To be called before the fleet is started.
     *
     * @throws dev.inflight.cli.gpu.MissingGpuException if the fleet needs more GPUs than there are
     */
    public static Ceiling beforeFleet(FleetDevice device, int workers, Progress progress) throws InterruptedException {
        if (!device.cuda()) {
            return new Ceiling(OptionalDouble.empty());
        }
        progress.step("measuring the host-to-device ceiling");
        var gpus = VisibleGpus.require(
                "--device cuda", Math.min(workers, device.gpus().size()));
        try (H2dProbe probe = H2dProbe.open(gpus)) {
            return new Ceiling(OptionalDouble.of(workers * probe.sumGBps()));
        }
    }

    /** The rate in 10^9 bytes per second; to be called when the fleet is idle. */
    public double gigabytesPerSecond(Progress progress) throws InterruptedException {
        if (measuredGBps.isPresent()) {
            return measuredGBps.getAsDouble();
        }
        progress.step("measuring the copy ceiling");
        return CopyCeiling.measureGBps();
    }

    /** A share of a ceiling and what that is, for people. */
    public static String format(double ratio, double gigabytesPerSecond, FleetDevice device) {
        return String.format(
                Locale.ROOT,
                device.cuda()
                        ? "%.2f of the %.1f GB/s that all GPUs would get if the host link were all that takes time"
                        : "%.2f of the %.1f GB/s two threads can copy",
                ratio,
                gigabytesPerSecond);
    }
}
