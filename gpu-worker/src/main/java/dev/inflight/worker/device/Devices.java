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
     * The first GPUs that CUDA shows to this process, which can read each other's memory where the machine allows it.
     *
     * @param slotMemoryBytes most memory that one ring may take
     * @param memoryFraction most of a GPU's free memory that one ring may take
     * @throws IllegalStateException if there are fewer GPUs than workers
     */
    public static Devices cuda(int workers, ShmNames names, long slotMemoryBytes, double memoryFraction) {
        var gpus = CudaDriver.load().map(CudaDriver::gpus).orElse(List.of());
        if (gpus.size() < workers) {
            throw new IllegalStateException("inflight.worker.workers is " + workers + " but CUDA shows " + gpus.size()
                    + " GPUs to this process; ./inflight doctor tells more");
        }
        var contexts = gpus.stream().limit(workers).map(CudaGpu::open).toList();
        connect(contexts);
        var devices = new ArrayList<Device>();
        for (var context : contexts) {
            devices.add(new CudaDevice(context, slotMemoryBytes, memoryFraction, names, new CudaPinning(context)));
        }
        return new Devices(devices, new CudaPinning(contexts.getFirst()));
    }

    private static void connect(List<CudaContext> contexts) {
        for (var context : contexts) {
            for (var peer : contexts) {
                if (context != peer && context.canAccess(peer)) {
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
