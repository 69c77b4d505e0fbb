package dev.inflight.worker.device;

import dev.inflight.protocol.link.EngineDevice;
import java.io.UncheckedIOException;
import java.util.Optional;

/** A device whose memory is POSIX shared memory: the default where there is no GPU. */
public final class HostDevice implements Device {
    /** Name of the device where there is no GPU. */
    public static final String ID = "host";

    private final long budgetBytes;
    private final SlotPool<SharedMemory> pool;

    /** @param budgetBytes most memory that one ring may take */
    public HostDevice(ShmNames names, long budgetBytes) {
        this(names, budgetBytes, Pinning.NONE);
    }

    HostDevice(ShmNames names, long budgetBytes, Pinning pinning) {
        this.budgetBytes = budgetBytes;
        this.pool = new SlotPool<>(bytes -> allocate(names, bytes, pinning), SharedMemory::bytes, SharedMemory::close);
    }

    private static SharedMemory allocate(ShmNames names, long bytes, Pinning pinning) {
        try {
            return SharedMemory.create(names.fresh("slots"), bytes, pinning);
        } catch (UncheckedIOException e) {
            throw new DeviceMemoryException(String.valueOf(e.getMessage()));
        }
    }

    @Override
    public String id() {
        return ID;
    }

    /** Any process of this machine can map shared memory. */
    @Override
    public Optional<String> refusal(EngineDevice engine) {
        return Optional.empty();
    }

    @Override
    public long slotBudgetBytes() {
        return budgetBytes;
    }

    @Override
    public HostSlotRing slots(int count, long slotBytes) {
        var memory = pool.take(DeviceMemoryException.requireWithin(count, slotBytes, budgetBytes));
        return new HostSlotRing(memory, count, slotBytes, pool.lease(memory));
    }

    @Override
    public HostSlotRing hostSlots(int count, long slotBytes) {
        return slots(count, slotBytes);
    }

    @Override
    public int ringsOut() {
        return pool.out();
    }

    @Override
    public void close() {
        pool.close();
    }
}
