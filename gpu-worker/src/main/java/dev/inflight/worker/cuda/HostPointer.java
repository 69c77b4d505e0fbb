package dev.inflight.worker.cuda;

import java.lang.foreign.MemorySegment;
import jcuda.Pointer;

/** JCuda's pointer to host memory of any size; its own factories end at the 2 GiB of a buffer. */
final class HostPointer extends Pointer {
    private HostPointer(long address) {
        super(address);
    }

    /** @throws IllegalArgumentException if the segment is on the Java heap, where addresses change */
    static HostPointer to(MemorySegment memory) {
        if (!memory.isNative()) {
            throw new IllegalArgumentException("a GPU can not copy to or from the Java heap; use native memory");
        }
        return new HostPointer(memory.address());
    }
}
