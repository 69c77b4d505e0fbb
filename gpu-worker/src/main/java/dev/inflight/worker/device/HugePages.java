package dev.inflight.worker.device;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * Asks Linux for huge pages: {@code int madvise(void *address, size_t length, int advice)}. Shared memory gets them where
 * the tmpfs is mounted with {@code huge=advise}; elsewhere asking changes nothing. Fresh memory in huge pages is touched
 * sooner, and whoever maps it has a fault for each huge page instead of for each small one.
 */
final class HugePages {
    /** {@code MADV_HUGEPAGE} of {@code <sys/mman.h>}. */
    private static final int ADVICE = 14;

    private static final MethodHandle MADVISE = Linker.nativeLinker()
            .downcallHandle(
                    Linker.nativeLinker().defaultLookup().findOrThrow("madvise"),
                    FunctionDescriptor.of(
                            ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.JAVA_LONG, ValueLayout.JAVA_INT));

    private HugePages() {}

    /**
     * To be called before anybody touches the memory. A kernel without huge pages refuses, which is as good.
     *
     * @param mapping a whole mapping
     */
    static void ask(MemorySegment mapping) {
        try {
            int ignored = (int) MADVISE.invokeExact(mapping, mapping.byteSize(), ADVICE);
        } catch (Throwable e) {
            throw new IllegalStateException("calling madvise", e);
        }
    }
}
