package dev.inflight.worker.nccl;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;

/**
 * The functions of {@code nccl.h} that we need, one method each, with C's arguments. Each returns its {@code
 * ncclResult_t} as it came; pointers that we only pass on are plain addresses.
 */
final class NcclBindings {
    static final int SUCCESS = 0;
    static final int IN_PROGRESS = 7;

    private static final int UINT8 = 1;
    /** Longest text taken from NCCL; its own buffer for the last error has 1024 bytes. */
    private static final long MAX_TEXT_BYTES = 4096;
    /** {@code typedef struct { char internal[128]; } ncclUniqueId}, which is passed by value. */
    private static final StructLayout UNIQUE_ID =
            MemoryLayout.structLayout(MemoryLayout.sequenceLayout(NcclId.BYTES, JAVA_BYTE));

    private final MethodHandle getVersion;
    private final MethodHandle getUniqueId;
    private final MethodHandle commInitRankConfig;
    private final MethodHandle commGetAsyncError;
    private final MethodHandle commAbort;
    private final MethodHandle commFinalize;
    private final MethodHandle commDestroy;
    private final MethodHandle broadcast;
    private final MethodHandle groupStart;
    private final MethodHandle groupEnd;
    private final MethodHandle getErrorString;
    private final MethodHandle getLastError;

    /** @throws NcclException if a function is missing; {@code origin} names the library */
    NcclBindings(SymbolLookup symbols, String origin) {
        Binder binder = new Binder(symbols, origin);
        getVersion = binder.bind("ncclGetVersion", FunctionDescriptor.of(JAVA_INT, ADDRESS));
        getUniqueId = binder.bind("ncclGetUniqueId", FunctionDescriptor.of(JAVA_INT, ADDRESS));
        commInitRankConfig = binder.bind(
                "ncclCommInitRankConfig",
                FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_INT, UNIQUE_ID, JAVA_INT, ADDRESS));
        commGetAsyncError = binder.bind("ncclCommGetAsyncError", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, ADDRESS));
        commAbort = binder.bind("ncclCommAbort", FunctionDescriptor.of(JAVA_INT, JAVA_LONG));
        commFinalize = binder.bind("ncclCommFinalize", FunctionDescriptor.of(JAVA_INT, JAVA_LONG));
        commDestroy = binder.bind("ncclCommDestroy", FunctionDescriptor.of(JAVA_INT, JAVA_LONG));
        broadcast = binder.bind(
                "ncclBroadcast",
                FunctionDescriptor.of(
                        JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG));
        groupStart = binder.bind("ncclGroupStart", FunctionDescriptor.of(JAVA_INT));
        groupEnd = binder.bind("ncclGroupEnd", FunctionDescriptor.of(JAVA_INT));
        getErrorString = binder.bind("ncclGetErrorString", FunctionDescriptor.of(ADDRESS, JAVA_INT));
        getLastError = binder.bind("ncclGetLastError", FunctionDescriptor.of(ADDRESS, JAVA_LONG));
    }

    int getVersion(MemorySegment version) {
        try {
            return (int) getVersion.invokeExact(version);
        } catch (Throwable e) {
            throw broken("ncclGetVersion", e);
        }
    }

    int getUniqueId(MemorySegment id) {
        try {
            return (int) getUniqueId.invokeExact(id);
        } catch (Throwable e) {
            throw broken("ncclGetUniqueId", e);
        }
    }

    /** @param comm where NCCL writes the communicator's address; older ones write it again when the ranks have met */
    int commInitRankConfig(MemorySegment comm, int ranks, MemorySegment id, int rank, MemorySegment config) {
        try {
            return (int) commInitRankConfig.invokeExact(comm, ranks, id, rank, config);
        } catch (Throwable e) {
            throw broken("ncclCommInitRankConfig", e);
        }
    }

    int commGetAsyncError(long comm, MemorySegment state) {
        try {
            return (int) commGetAsyncError.invokeExact(comm, state);
        } catch (Throwable e) {
            throw broken("ncclCommGetAsyncError", e);
        }
    }

    int commAbort(long comm) {
        try {
            return (int) commAbort.invokeExact(comm);
        } catch (Throwable e) {
            throw broken("ncclCommAbort", e);
        }
    }

    int commFinalize(long comm) {
        try {
            return (int) commFinalize.invokeExact(comm);
        } catch (Throwable e) {
            throw broken("ncclCommFinalize", e);
        }
    }

    int commDestroy(long comm) {
        try {
            return (int) commDestroy.invokeExact(comm);
        } catch (Throwable e) {
            throw broken("ncclCommDestroy", e);
        }
    }

    /** In place: what is sent and what is received is the same buffer. */
    int broadcast(long address, long bytes, int root, long comm, long stream) {
        try {
            return (int) broadcast.invokeExact(address, address, bytes, UINT8, root, comm, stream);
        } catch (Throwable e) {
            throw broken("ncclBroadcast", e);
        }
    }

    int groupStart() {
        try {
            return (int) groupStart.invokeExact();
        } catch (Throwable e) {
            throw broken("ncclGroupStart", e);
        }
    }

    int groupEnd() {
        try {
            return (int) groupEnd.invokeExact();
        } catch (Throwable e) {
            throw broken("ncclGroupEnd", e);
        }
    }

    String errorString(int result) {
        try {
            return text((MemorySegment) getErrorString.invokeExact(result)) + " (" + result + ")";
        } catch (Throwable e) {
            throw broken("ncclGetErrorString", e);
        }
    }

    /** The last error that this process met in NCCL, on whichever communicator; empty if there was none. */
    String lastError() {
        try {
            return text((MemorySegment) getLastError.invokeExact(0L)).strip();
        } catch (Throwable e) {
            throw broken("ncclGetLastError", e);
        }
    }

    private static String text(MemorySegment address) {
        return address.equals(MemorySegment.NULL)
                ? ""
                : address.reinterpret(MAX_TEXT_BYTES).getString(0);
    }

    private static IllegalStateException broken(String function, Throwable cause) {
        return new IllegalStateException(function + " could not be called", cause);
    }

    private record Binder(SymbolLookup symbols, String origin) {
        MethodHandle bind(String name, FunctionDescriptor descriptor) {
            MemorySegment function = symbols.find(name)
                    .orElseThrow(() -> new NcclException(
                            origin + " has no " + name + ": NCCL 2.14 or newer is needed, install one"));
            return Linker.nativeLinker().downcallHandle(function, descriptor);
        }
    }
}
