package dev.inflight.worker.device;

import dev.inflight.worker.cuda.CudaContext;
import dev.inflight.worker.cuda.CudaDriver;
import dev.inflight.worker.cuda.CudaGpu;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/**
 * The devices of a worker host, one for each of its workers.
 *
 * @param devices by worker
 * @param pinning for memory that any of them copies from; it must be given back before they are closed
 */
public record Devices(List<Device> devices, Pinning pinning) implements AutoCloseable {
    public Devices {
        devices = List.copyOf(devices);
    }

    /** @param slotMemoryBytes most memory that one ring may take */
    public static Devices host(int workers, ShmNames names, long slotMemoryBytes) {
        return new Devices(
                Stream.<Device>generate(() -> new HostDevice(names, slotMemoryBytes))
                        .limit(workers)
                        .toList(),
                Pinning.NONE);
    }

    /**
     * GPUs that can read each other's memory where the machine allows it.
     *
     * @param wanted GPUs of the workers, by UUID or by their number in this process; empty for the first ones
     * @param slotMemoryBytes most memory that one ring may take
     * @param memoryFraction most of a GPU's free memory that one ring may take
     * @throws IllegalStateException if there are not as many GPUs as workers, or one of those wanted is not there
     */
    public static Devices cuda(
            int workers, List<String> wanted, ShmNames names, long slotMemoryBytes, double memoryFraction) {
        var shown = CudaDriver.load().map(CudaDriver::gpus).orElse(List.of());
        var contexts =
                choose(workers, wanted, shown).stream().map(CudaGpu::open).toList();
        connect(contexts);
        var devices = new ArrayList<Device>();
        for (var context : contexts) {
            devices.add(new CudaDevice(context, slotMemoryBytes, memoryFraction, names, new CudaPinning(context)));
        }
        return new Devices(devices, new CudaPinning(contexts.getFirst()));
    }

    static List<CudaGpu> choose(int workers, List<String> wanted, List<CudaGpu> shown) {
        int there = wanted.isEmpty() ? shown.size() : wanted.size();
        if (there < workers) {
            throw new IllegalStateException("inflight.worker.workers is " + workers + " but "
                    + (wanted.isEmpty() ? "CUDA shows " : "inflight.worker.gpus has ") + there
                    + " GPUs; ./inflight doctor tells more");
        }
        if (wanted.isEmpty()) {
            return shown.subList(0, workers);
        }
        return wanted.stream().limit(workers).map(name -> find(name, shown)).toList();
    }

    private static CudaGpu find(String name, List<CudaGpu> shown) {
        return shown.stream()
                .filter(gpu ->
                        gpu.uuid().equals(name) || String.valueOf(gpu.ordinal()).equals(name))
                .findFirst()
                .orElseThrow(() -> new IllegalStateException(
                        "inflight.worker.gpus: CUDA shows no GPU " + name + " to this process, only "
                                + shown.stream().map(CudaGpu::uuid).toList()));
    }

    private static void connect(List<CudaContext> contexts) {
        for (var context : contexts) {
            for (var peer : contexts) {
                if (!context.gpu().equals(peer.gpu()) && context.canAccess(peer)) {
                    context.enablePeerAccess(peer);
                }
            }
        }
    }

    @Override
    public void close() {
        devices.forEach(Device::close);
    }
}
