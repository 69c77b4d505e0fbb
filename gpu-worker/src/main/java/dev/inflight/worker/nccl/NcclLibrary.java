package dev.inflight.worker.nccl;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The host's {@code libnccl.so.2}, loaded for as long as the process lives. Any thread may use it.
 *
 * <p>{@code NCCL_COMM_BLOCKING=1} in the environment would take the bounds away from every communicator, so {@link
 * NcclCommunicator#create} refuses to work with it.
 */
public final class NcclLibrary {
    private static final Logger LOG = LoggerFactory.getLogger(NcclLibrary.class);
    private static final String NAME = "libnccl.so.2";
    /** Where packages put it; not Python's wheels, whose NCCL belongs to their CUDA. */
    private static final List<Path> USUAL_PLACES = List.of(
            Path.of("/usr/lib/x86_64-linux-gnu"),
            Path.of("/usr/lib/aarch64-linux-gnu"),
            Path.of("/usr/lib64"),
            Path.of("/usr/local/lib"),
            Path.of("/usr/local/nccl/lib"),
            Path.of("/usr/local/cuda/lib64"));

    private final String origin;
    private final NcclBindings bindings;
    private final int version;

    private NcclLibrary(SymbolLookup symbols, String origin) {
        this.origin = origin;
        this.bindings = new NcclBindings(symbols, origin);
        this.version = readVersion();
        if (version < NcclConfig.VERSION) {
            throw new NcclException(this + " is too old: NCCL 2.14 or newer is needed, install one");
        }
    }

    /**
     * What {@link #load()} finds, if workers can use it. What speaks against it is logged: a worker host does its work
     * without it as well.
     */
    public static Optional<NcclLibrary> loadIfUsable() {
        try {
            NcclCommunicator.refuseBlocking(System.getenv("NCCL_COMM_BLOCKING"));
            Optional<NcclLibrary> found = load();
            LOG.info("{}", found.map(NcclLibrary::toString).orElse("there is no " + NAME + " on this machine"));
            return found;
        } catch (NcclException e) {
            LOG.warn("NCCL is not used", e);
            return Optional.empty();
        }
    }

    /**
     * Looks where the system's loader looks, then in the usual places.
     *
     * @return empty if there is no NCCL
     * @throws NcclException if there is one that does not work
     */
    public static Optional<NcclLibrary> load() {
        Optional<NcclLibrary> found = open(NAME);
        for (Path place : USUAL_PLACES) {
            Path file = place.resolve(NAME);
            if (found.isEmpty() && Files.exists(file)) {
                found = open(file.toString());
            }
        }
        return found;
    }

    /**
     * Loads the file that a setting names, and no other.
     *
     * @throws NcclException if it is not an NCCL library that works
     */
    public static NcclLibrary load(Path file) {
        return open(file.toString())
                .orElseThrow(() -> new NcclException(
                        file + (Files.exists(file) ? ": the loader does not take it" : ": no such file")));
    }

    /** As in {@code NCCL_VERSION_CODE}: 22803 is 2.28.3. */
    public int version() {
        return version;
    }

    /**
     * Makes an id for a new communicator. From then on this process listens on the network interface that NCCL chose
     * ({@code NCCL_SOCKET_IFNAME}) until all ranks have joined; it need not be one of them.
     *
     * @throws NcclException if NCCL finds no usable interface
     */
    public NcclId newId() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment id = arena.allocate(NcclId.BYTES);
            int result = bindings.getUniqueId(id);
            if (result != NcclBindings.SUCCESS) {
                throw new NcclException("ncclGetUniqueId: " + explain(result));
            }
            return NcclId.of(id.toArray(JAVA_BYTE));
        }
    }

    NcclBindings bindings() {
        return bindings;
    }

    /** What a result means, and the last error that NCCL kept, which may be another communicator's. */
    String explain(int result) {
        return bindings.errorString(result) + lastError();
    }

    String lastError() {
        String last = bindings.lastError();
        return last.isEmpty() ? "" : "; NCCL's last error: " + last;
    }

    /** The version and where it was found. */
    @Override
    public String toString() {
        return "NCCL %d.%d.%d (%s)".formatted(version / 10_000, version / 100 % 100, version % 100, origin);
    }

    private static Optional<NcclLibrary> open(String nameOrPath) {
        SymbolLookup symbols;
        try {
            symbols = SymbolLookup.libraryLookup(nameOrPath, Arena.global());
        } catch (IllegalArgumentException notFound) {
            return Optional.empty();
        }
        return Optional.of(new NcclLibrary(symbols, nameOrPath));
    }

    private int readVersion() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment code = arena.allocate(JAVA_INT);
            int result = bindings.getVersion(code);
            if (result != NcclBindings.SUCCESS) {
                throw new NcclException(origin + ": ncclGetVersion: " + explain(result));
            }
            return code.get(JAVA_INT, 0);
        }
    }
}
