package dev.inflight.cli.gpu;

import dev.inflight.worker.cuda.CudaDriver;
import dev.inflight.worker.cuda.CudaException;
import dev.inflight.worker.cuda.CudaGpu;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The GPUs that CUDA shows to this process, and their driver. */
public final class VisibleGpus {
    private static final Pattern KERNEL_MODULE = Pattern.compile("Kernel Module(?: for \\S+)?\\s+(\\d+(?:\\.\\d+)+)");

    private VisibleGpus() {}

    /**
     * The first GPUs, in CUDA's order.
     *
     * @param who what needs them, for the message
     * @param count how many, at least 1
     * @throws MissingGpuException if there are fewer, or the driver does not work
     */
    public static List<CudaGpu> require(String who, int count) {
        List<CudaGpu> gpus = all(who);
        if (gpus.size() < count) {
            throw new MissingGpuException(who + " needs " + count + " NVIDIA GPU" + (count == 1 ? "" : "s")
                    + " and CUDA shows " + (gpus.isEmpty() ? "none" : gpus.size())
                    + " to this process; ./inflight doctor tells more");
        }
        return gpus.subList(0, count);
    }

    /** All of them, at least one. */
    public static List<CudaGpu> requireAny(String who) {
        int count = all(who).size();
        return require(who, Math.max(1, count));
    }

    private static List<CudaGpu> all(String who) {
        try {
            return CudaDriver.load().map(CudaDriver::gpus).orElse(List.of());
        } catch (CudaException e) {
            throw new MissingGpuException(
                    who + " needs NVIDIA GPUs and their driver does not work: " + e.getMessage(), e);
        }
    }

    /** The driver's own version and the newest CUDA version it supports, such as {@code 580.95.05, CUDA 13.0}. */
    public static String driver() {
        String cuda =
                CudaDriver.load().map(driver -> "CUDA " + driver.version()).orElse("no CUDA");
        return kernelModule(Path.of("/proc/driver/nvidia/version"))
                .map(module -> module + ", " + cuda)
                .orElse(cuda);
    }

    /** Empty where the file is hidden, as in some containers. */
    static Optional<String> kernelModule(Path version) {
        try {
            Matcher module = KERNEL_MODULE.matcher(Files.readString(version));
            return module.find() ? Optional.of(module.group(1)) : Optional.empty();
        } catch (IOException e) {
            return Optional.empty();
        }
    }
}
