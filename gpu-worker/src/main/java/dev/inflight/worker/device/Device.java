package dev.inflight.worker.device;

import dev.inflight.protocol.link.EngineDevice;
import java.util.Optional;

/**
 * What buckets land on, and the memory that a worker shares with its engine. Memory of closed rings is kept and handed
 * out again: the engine keeps it mapped, and first touch is paid once. Thread-safe.
 */
public sealed interface Device extends AutoCloseable permits HostDevice, CudaDevice {
    /** {@code host}, or the GPU's UUID. */
    String id();

    /** Why an engine with its parameters there can not be given buckets by this device; empty if it can. */
    Optional<String> refusal(EngineDevice engine);

    /** Most bytes that one ring may take now. */
    long slotBudgetBytes();

    /**
     * Takes a ring of {@code count} slots.
     *
     * @throws DeviceMemoryException with the numbers, if it is over the budget or the memory can not be had
     */
    SlotRing slots(int count, long slotBytes);

    /**
     * Takes a ring that this process can read and write, whatever the device.
     *
     * @throws DeviceMemoryException like {@link #slots}
     */
    HostSlotRing hostSlots(int count, long slotBytes);

    /** Rings taken and not closed yet; none between updates. */
    int ringsOut();

    /** Allocates the whole budget now, so that the first ring is there at once. */
    default void warm() {
        slots(1, slotBudgetBytes()).close();
    }

    /** Frees what is not taken. Rings still out free their memory when they are closed. */
    @Override
    void close();
}
