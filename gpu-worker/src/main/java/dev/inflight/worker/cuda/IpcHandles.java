package dev.inflight.worker.cuda;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/** cuIpcGetMemHandle, called without JCuda: its CUipcMemHandle does not give its bytes away. */
final class IpcHandles {
    static final int BYTES = 64;

    /** {@code CUresult cuIpcGetMemHandle(CUipcMemHandle *handle, CUdeviceptr address)}. */
    private static final MethodHandle GET = Linker.nativeLinker()
            .downcallHandle(
                    SymbolLookup.libraryLookup(CudaDriver.LIBRARY, Arena.global())
                            .findOrThrow("cuIpcGetMemHandle"),
                    FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.JAVA_LONG));

    private IpcHandles() {}

    /** The buffer's context must be current. */
    static byte[] of(DeviceBuffer buffer) {
        try (var arena = Arena.ofConfined()) {
            var handle = arena.allocate(BYTES);
            buffer.context().check("cuIpcGetMemHandle", call(handle, buffer.address()));
            return handle.toArray(ValueLayout.JAVA_BYTE);
        }
    }

    private static int call(MemorySegment handle, long address) {
        try {
            return (int) GET.invokeExact(handle, address);
        } catch (Throwable e) {
            throw new LinkageError("cuIpcGetMemHandle has not the signature expected", e);
        }
    }
}
