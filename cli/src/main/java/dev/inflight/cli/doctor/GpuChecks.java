package dev.inflight.cli.doctor;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/** NVIDIA GPUs, their driver, NCCL. Looks only; nothing is loaded. */
final class GpuChecks {
    private static final List<Path> LIBRARIES = List.of(
            Path.of("/usr/lib/x86_64-linux-gnu"),
            Path.of("/usr/lib/aarch64-linux-gnu"),
            Path.of("/usr/lib64"),
            Path.of("/usr/lib"),
            Path.of("/usr/local/lib"),
            Path.of("/usr/local/cuda/lib64"),
            Path.of("/usr/local/nvidia/lib64"));

    List<Check> run() throws InterruptedException {
        return List.of(gpus(), library("CUDA driver", "libcuda.so.1"), library("NCCL", "libnccl.so.2"));
    }

    private static Check gpus() throws InterruptedException {
        Optional<String> listed =
                Program.output("nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader");
        if (listed.isPresent() && !listed.get().isBlank()) {
            List<String> gpus = listed.get().lines().toList();
            return Check.ok("GPUs", gpus.size() + " x " + gpus.getFirst());
        }
        return Files.exists(Path.of("/dev/nvidiactl"))
                ? Check.warn("GPUs", "devices, but nvidia-smi does not answer", "check the driver with nvidia-smi")
                : Check.warn(
                        "GPUs", "none", "without one, slots lie in host memory (POSIX shm) and everything else works");
    }

    private static Check library(String name, String file) {
        String path = System.getenv("LD_LIBRARY_PATH");
        Stream<Path> first = path == null
                ? Stream.empty()
                : Stream.of(path.split(":")).filter(p -> !p.isBlank()).map(Path::of);
        return Stream.concat(first, LIBRARIES.stream())
                .map(directory -> directory.resolve(file))
                .filter(Files::exists)
                .findFirst()
                .map(found -> Check.ok(name, found.toString()))
                .orElseGet(() -> Check.warn(name, file + " not found", "needed with NVIDIA GPUs only"));
    }
}
