package dev.inflight.worker.cuda;

import static jcuda.driver.CUjit_option.CU_JIT_ERROR_LOG_BUFFER;
import static jcuda.driver.CUjit_option.CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/** What the driver's compiler says of PTX that it does not take. */
final class JitLog {
    private static final int BYTES = 8192;

    /**
     * {@code CUresult cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned count, CUjit_option *options,
     * void **values)}.
     */
    private static final MethodHandle LOAD = Linker.nativeLinker()
            .downcallHandle(
                    SymbolLookup.libraryLookup(CudaDriver.LIBRARY, Arena.global())
                            .findOrThrow("cuModuleLoadDataEx"),
                    FunctionDescriptor.of(
                            ValueLayout.JAVA_INT,
                            ValueLayout.ADDRESS,
                            ValueLayout.ADDRESS,
                            ValueLayout.JAVA_INT,
                            ValueLayout.ADDRESS,
                            ValueLayout.ADDRESS));

    private JitLog() {}

    /**
     * Tries once more, to get the log. A context must be current.
     *
     * @param image PTX that was refused, with a zero at its end
     */
    static String of(byte[] image) {
        try (var arena = Arena.ofConfined()) {
            var log = arena.allocate(BYTES);
            var options = arena.allocateFrom(
                    ValueLayout.JAVA_INT, CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES);
            var values = arena.allocate(ValueLayout.ADDRESS, 2);
            values.setAtIndex(ValueLayout.ADDRESS, 0, log);
            values.setAtIndex(ValueLayout.JAVA_LONG, 1, BYTES - 1);
            int result = call(
                    arena.allocate(ValueLayout.ADDRESS),
                    arena.allocateFrom(ValueLayout.JAVA_BYTE, image),
                    options,
                    values);
            var text = log.getString(0).strip();
            return text.isEmpty() ? "no log; tried again: " + CudaException.describe(result) : text;
        }
    }

    private static int call(MemorySegment module, MemorySegment image, MemorySegment options, MemorySegment values) {
        try {
            return (int) LOAD.invokeExact(module, image, 2, options, values);
        } catch (Throwable e) {
            throw new LinkageError("cuModuleLoadDataEx has not the signature expected", e);
        }
    }
}
