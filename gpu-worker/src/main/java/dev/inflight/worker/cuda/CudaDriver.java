package dev.inflight.worker.cuda;

import static jcuda.driver.JCudaDriver.cuDeviceGetCount;
import static jcuda.driver.JCudaDriver.cuDriverGetVersion;
import static jcuda.driver.JCudaDriver.cuInit;

import java.lang.foreign.Arena;
import java.lang.foreign.SymbolLookup;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import jcuda.driver.CUresult;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The CUDA driver of this machine. Thread-safe. */
public final class CudaDriver {
    static final String LIBRARY = "libcuda.so.1";
    private static final Logger log = LoggerFactory.getLogger(CudaDriver.class);
    private static final String WHERE = "the driver";

    private final String version;

    private CudaDriver(String version) {
        this.version = version;
    }

    /**
     * Loads and initialises the driver; the second time costs nothing.
     *
     * @return empty on a machine without an NVIDIA driver or without a GPU that it shows to this process; a log line at
     *     debug says which
     * @throws CudaException if there is a driver and it does not work: no reason to go on without GPUs silently
     */
    public static Optional<CudaDriver> load() {
        var missing = missing();
        if (missing.isPresent()) {
            log.debug("No CUDA: {}", missing.get());
            return Optional.empty();
        }
        JCudaNatives.require();
        int result = cuInit(0);
        if (result == CUresult.CUDA_ERROR_NO_DEVICE || result == CUresult.CUDA_ERROR_STUB_LIBRARY) {
            log.debug("No CUDA: cuInit says {}", CudaException.describe(result));
            return Optional.empty();
        }
        CudaException.check("cuInit", WHERE, result);
        return Optional.of(new CudaDriver(readVersion()));
    }

    private static Optional<String> missing() {
        var platform = System.getProperty("os.name") + " " + System.getProperty("os.arch");
        if (!platform.equals("Linux amd64")) {
            return Optional.of("the native library is for Linux amd64, this is " + platform);
        }
        try {
            SymbolLookup.libraryLookup(LIBRARY, Arena.global());
            return Optional.empty();
        } catch (IllegalArgumentException e) {
            return Optional.of(LIBRARY + " does not load: " + e.getMessage());
        }
    }

    private static String readVersion() {
        int[] version = new int[1];
        CudaException.check("cuDriverGetVersion", WHERE, cuDriverGetVersion(version));
        return version[0] / 1000 + "." + version[0] % 1000 / 10;
    }

    /** The newest CUDA version the driver supports, such as {@code 13.0}. */
    public String version() {
        return version;
    }

    /** The GPUs that CUDA shows to this process, in its order. */
    public List<CudaGpu> gpus() {
        int[] count = new int[1];
        CudaException.check("cuDeviceGetCount", WHERE, cuDeviceGetCount(count));
        return IntStream.range(0, count[0]).mapToObj(CudaGpu::read).toList();
    }
}
