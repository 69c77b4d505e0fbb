package dev.inflight.worker.nccl;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** {@code fake_nccl.c}, compiled and loaded: a real C library behind the real bindings. */
final class FakeNccl {
    final Path file;
    private final SymbolLookup symbols;

    private FakeNccl(Path file) {
        this.file = file;
        this.symbols = SymbolLookup.libraryLookup(file, Arena.global());
        reset();
    }

    /** Skips the test if this machine has no C compiler. */
    static FakeNccl build(Path directory) throws IOException, InterruptedException {
        return new FakeNccl(compile(directory, List.of()));
    }

    /** Compiles the library without loading it. */
    static Path compile(Path directory, List<String> options) throws IOException, InterruptedException {
        assumeTrue(hasCompiler(), "no gcc here to compile the fake libnccl.so.2 with");
        Path source = directory.resolve("fake_nccl.c");
        try (InputStream text = FakeNccl.class.getResourceAsStream("fake_nccl.c")) {
            Files.write(source, text.readAllBytes());
        }
        Path library = directory.resolve("libnccl.so.2");
        List<String> command = new ArrayList<>(
                List.of("gcc", "-shared", "-fPIC", "-O1", "-Wall", "-o", library.toString(), source.toString()));
        command.addAll(options);
        Process gcc = new ProcessBuilder(command).redirectErrorStream(true).start();
        String output = new String(gcc.getInputStream().readAllBytes());
        assertThat(gcc.waitFor()).as(output).isZero();
        return library;
    }

    void reset() {
        call("fake_reset", FunctionDescriptor.ofVoid());
    }

    void set(String dial, int value) {
        try (Arena arena = Arena.ofConfined()) {
            call("fake_set", FunctionDescriptor.ofVoid(ADDRESS, JAVA_INT), arena.allocateFrom(dial), value);
        }
    }

    int get(String dial) {
        try (Arena arena = Arena.ofConfined()) {
            return (int) call("fake_get", FunctionDescriptor.of(JAVA_INT, ADDRESS), arena.allocateFrom(dial));
        }
    }

    void lastError(String text) {
        try (Arena arena = Arena.ofConfined()) {
            call("fake_last_error", FunctionDescriptor.ofVoid(ADDRESS), arena.allocateFrom(text));
        }
    }

    /** What was called, in order. */
    String calls() {
        return read("fake_calls", 1 << 16).getString(0);
    }

    byte[] seenId() {
        return read("fake_seen_id", NcclId.BYTES).toArray(JAVA_BYTE);
    }

    MemorySegment seenConfig() {
        return read("fake_seen_config", 64);
    }

    private MemorySegment read(String function, long bytes) {
        return ((MemorySegment) call(function, FunctionDescriptor.of(ADDRESS))).reinterpret(bytes);
    }

    private Object call(String function, FunctionDescriptor descriptor, Object... arguments) {
        try {
            return Linker.nativeLinker()
                    .downcallHandle(symbols.find(function).orElseThrow(), descriptor)
                    .invokeWithArguments(arguments);
        } catch (Throwable e) {
            throw new AssertionError(function, e);
        }
    }

    private static boolean hasCompiler() throws InterruptedException {
        try {
            return new ProcessBuilder("gcc", "--version")
                            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                            .start()
                            .waitFor()
                    == 0;
        } catch (IOException none) {
            return false;
        }
    }
}
