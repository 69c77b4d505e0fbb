package dev.inflight.cli.doctor;

import dev.inflight.cli.console.ByteSize;
import dev.inflight.cli.gpu.VisibleGpus;
import dev.inflight.worker.cuda.CudaContext;
import dev.inflight.worker.cuda.CudaDriver;
import dev.inflight.worker.cuda.CudaException;
import dev.inflight.worker.cuda.CudaGpu;
import dev.inflight.worker.nccl.NcclException;
import dev.inflight.worker.nccl.NcclLibrary;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** NVIDIA GPUs, their driver, NCCL, as a worker host would find them. Takes a context on every GPU for a moment. */
final class GpuChecks {
    private static final Path DEVICES = Path.of("/dev/nvidiactl");

    List<Check> run() {
        List<Check> checks = new ArrayList<>();
        try {
            Optional<CudaDriver> driver = CudaDriver.load();
            List<CudaGpu> gpus = driver.map(CudaDriver::gpus).orElse(List.of());
            checks.add(driver(driver));
            checks.addAll(
                    gpus.isEmpty()
                            ? List.of(noGpu())
                            : gpus.stream().map(GpuChecks::gpu).toList());
            if (gpus.size() > 1) {
                checks.add(peerAccess(gpus));
            }
        } catch (CudaException e) {
            checks.add(Check.warn("CUDA", String.valueOf(e.getMessage()), "check the driver with nvidia-smi"));
        }
        checks.add(nccl());
        return checks;
    }

    private static Check driver(Optional<CudaDriver> driver) {
        return driver.isPresent()
                ? Check.ok("CUDA driver", VisibleGpus.driver())
                : Check.warn("CUDA driver", "none that shows a GPU", "needed with NVIDIA GPUs only");
    }

    private static Check noGpu() {
        return Files.exists(DEVICES)
                ? Check.warn(
                        "GPUs",
                        "devices, but CUDA shows none to this process",
                        "check the driver with nvidia-smi, and CUDA_VISIBLE_DEVICES")
                : Check.warn(
                        "GPUs", "none", "without one, slots lie in host memory (POSIX shm) and everything else works");
    }

    private static Check gpu(CudaGpu gpu) {
        return Check.ok(
                "GPU " + gpu.ordinal(),
                gpu.name() + ", " + gpu.uuid() + ", " + ByteSize.format(gpu.totalBytes()) + ", " + gpu.pciBusId());
    }

    private static Check peerAccess(List<CudaGpu> gpus) {
        List<CudaContext> contexts = new ArrayList<>();
        try {
            gpus.forEach(gpu -> contexts.add(gpu.open()));
            List<String> without = withoutAccess(contexts);
            return without.isEmpty()
                    ? Check.ok("peer access", "between all " + gpus.size() + " GPUs")
                    : Check.warn(
                            "peer access",
                            "none from GPU " + String.join(", ", without),
                            "copies between them go through host memory; see nvidia-smi topo -m");
        } finally {
            contexts.forEach(CudaContext::close);
        }
    }

    /** Pairs, as {@code 0 to 1}. */
    private static List<String> withoutAccess(List<CudaContext> contexts) {
        List<String> without = new ArrayList<>();
        for (CudaContext context : contexts) {
            for (CudaContext peer : contexts) {
                if (!context.canAccess(peer)) {
                    without.add(context.gpu().ordinal() + " to " + peer.gpu().ordinal());
                }
            }
        }
        return without;
    }

    private static Check nccl() {
        try {
            return NcclLibrary.load()
                    .map(nccl -> Check.ok("NCCL", nccl.toString()))
                    .orElseGet(() -> Check.warn("NCCL", "libnccl.so.2 not found", "needed with NVIDIA GPUs only"));
        } catch (NcclException e) {
            return Check.warn("NCCL", String.valueOf(e.getMessage()), "install NCCL 2.14 or newer");
        }
    }
}
