package dev.inflight.worker.nccl;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.util.Arrays;
import java.util.Optional;

/** As much of CUDA's driver as the tests need. Every failure names the call and the result. */
final class TestCuda {
    static final int NOT_READY = 600;
    private static final int NON_BLOCKING = 1;

    private final SymbolLookup symbols;

    private TestCuda(SymbolLookup symbols) {
        this.symbols = symbols;
    }

    /** Empty if this machine has no driver, or none that starts. */
    static Optional<TestCuda> load() {
        try {
            TestCuda cuda = new TestCuda(SymbolLookup.libraryLookup("libcuda.so.1", Arena.global()));
            return cuda.call("cuInit", 0) == 0 ? Optional.of(cuda) : Optional.empty();
        } catch (IllegalArgumentException none) {
            return Optional.empty();
        }
    }

    int devices() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment count = arena.allocate(JAVA_INT);
            check("cuDeviceGetCount", count);
            return count.get(JAVA_INT, 0);
        }
    }

    /** Makes a device's primary context the calling thread's. */
    void use(int device) {
        check("cuCtxSetCurrent", longFrom("cuDevicePrimaryCtxRetain", device));
    }

    long allocate(long bytes) {
        return longFrom("cuMemAlloc_v2", bytes);
    }

    long stream() {
        return longFrom("cuStreamCreate", NON_BLOCKING);
    }

    /** 0 when all work is done, {@link #NOT_READY} while it is not, or an error. */
    int query(long stream) {
        return call("cuStreamQuery", stream);
    }

    void synchronize(long stream) {
        check("cuStreamSynchronize", stream);
    }

    void write(long address, byte[] bytes) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment source = arena.allocate(bytes.length);
            MemorySegment.copy(MemorySegment.ofArray(bytes), 0, source, 0, bytes.length);
            check("cuMemcpyHtoD_v2", address, source, (long) bytes.length);
            check("cuCtxSynchronize");
        }
    }

    byte[] read(long address, int bytes) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment target = arena.allocate(bytes);
            check("cuMemcpyDtoH_v2", target, address, (long) bytes);
            return target.toArray(JAVA_BYTE);
        }
    }

    /** Calls a function whose first argument is where it writes a pointer or handle. */
    private long longFrom(String function, Object argument) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(JAVA_LONG);
            check(function, out, argument);
            return out.get(JAVA_LONG, 0);
        }
    }

    private void check(String function, Object... arguments) {
        int result = call(function, arguments);
        if (result != 0) {
            throw new AssertionError(function + Arrays.toString(arguments) + " returned CUresult " + result);
        }
    }

    private int call(String function, Object... arguments) {
        MemoryLayout[] layouts = Arrays.stream(arguments).map(TestCuda::layout).toArray(MemoryLayout[]::new);
        MemorySegment address =
                symbols.find(function).orElseThrow(() -> new AssertionError("libcuda.so.1 has no " + function));
        try {
            return (int) Linker.nativeLinker()
                    .downcallHandle(address, FunctionDescriptor.of(JAVA_INT, layouts))
                    .invokeWithArguments(arguments);
        } catch (Throwable e) {
            throw new AssertionError(function, e);
        }
    }

    private static MemoryLayout layout(Object argument) {
        return switch (argument) {
            case Integer i -> JAVA_INT;
            case Long l -> JAVA_LONG;
            case MemorySegment s -> ADDRESS;
            default -> throw new IllegalArgumentException(argument.toString());
        };
    }
}
