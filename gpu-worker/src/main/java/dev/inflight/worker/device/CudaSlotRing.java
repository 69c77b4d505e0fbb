package dev.inflight.worker.device;

import dev.inflight.protocol.link.SlotMemory;
import dev.inflight.worker.cuda.DeviceBuffer;
import java.util.HexFormat;

/** Slots in a block of GPU memory. */
public final class CudaSlotRing extends SlotRing {
    private final DeviceBuffer buffer;

    CudaSlotRing(DeviceBuffer buffer, int count, long slotBytes, Lease lease) {
        super(count, slotBytes, lease);
        this.buffer = buffer;
    }

    /** The block; slots begin at their {@link #offset}. */
    public DeviceBuffer buffer() {
        return buffer;
    }

    @Override
    public SlotMemory memory(int slot) {
        return new SlotMemory.Cuda(
                HexFormat.of().formatHex(buffer.ipcHandle()),
                buffer.context().gpu().uuid(),
                offset(slot),
                slotBytes());
    }
}
