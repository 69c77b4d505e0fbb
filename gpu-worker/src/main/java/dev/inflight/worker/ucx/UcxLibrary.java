package dev.inflight.worker.ucx;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import org.openucx.jucx.ucp.UcpContext;

/** The host's {@code libucp.so.0}, loaded for as long as the process lives. */
final class UcxLibrary {
    private static final String NAME = "libucp.so.0";

    private final SymbolLookup ucp;

    private UcxLibrary(SymbolLookup ucp) {
        this.ucp = ucp;
    }

    /** @throws UcxException saying what to install */
    static UcxLibrary load() throws UcxException {
        keepSignalsToTheJvm();
        try {
            return new UcxLibrary(SymbolLookup.libraryLookup(NAME, Arena.global()));
        } catch (IllegalArgumentException e) {
            throw new UcxException(
                    "there is no " + NAME + " on this machine; install UCX (on Debian: apt-get install libucx0)", e);
        }
    }

    /**
     * UCX takes SIGSEGV for a crash as soon as it is loaded, and ends the process; the JVM uses it all the time. Java
     * can not set what {@code getenv} sees, so libc does.
     */
    private static void keepSignalsToTheJvm() {
        var setenv = libc("setenv", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, JAVA_INT));
        try (var arena = Arena.ofConfined()) {
            int failed = (int) setenv.invokeExact(arena.allocateFrom("UCX_ERROR_SIGNALS"), arena.allocateFrom(""), 1);
            if (failed != 0) {
                throw new IllegalStateException("setenv failed");
            }
        } catch (Throwable e) {
            throw new IllegalStateException("setenv could not be called", e);
        }
    }

    /** What UCX says about the devices and transports it found. */
    String describe(UcpContext context) {
        var openStream = libc("open_memstream", FunctionDescriptor.of(ADDRESS, ADDRESS, ADDRESS));
        var closeStream = libc("fclose", FunctionDescriptor.of(JAVA_INT, ADDRESS));
        var free = libc("free", FunctionDescriptor.ofVoid(ADDRESS));
        var print = Linker.nativeLinker()
                .downcallHandle(
                        ucp.find("ucp_context_print_info").orElseThrow(), FunctionDescriptor.ofVoid(ADDRESS, ADDRESS));
        try (var arena = Arena.ofConfined()) {
            var text = arena.allocate(ADDRESS);
            var bytes = arena.allocate(JAVA_LONG);
            var stream = (MemorySegment) openStream.invokeExact(text, bytes);
            if (stream.equals(MemorySegment.NULL)) {
                throw new IllegalStateException("open_memstream failed");
            }
            print.invokeExact(MemorySegment.ofAddress(context.getNativeId()), stream);
            int flushed = (int) closeStream.invokeExact(stream);
            var chars = text.get(ADDRESS, 0);
            var printed = flushed == 0
                    ? chars.reinterpret(bytes.get(JAVA_LONG, 0) + 1).getString(0)
                    : "";
            free.invokeExact(chars);
            return printed;
        } catch (Throwable e) {
            throw new IllegalStateException("ucp_context_print_info could not be called", e);
        }
    }

    private static MethodHandle libc(String name, FunctionDescriptor descriptor) {
        var linker = Linker.nativeLinker();
        return linker.downcallHandle(linker.defaultLookup().find(name).orElseThrow(), descriptor);
    }
}
