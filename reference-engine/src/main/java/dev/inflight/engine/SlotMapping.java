package dev.inflight.engine;

import dev.inflight.protocol.link.SlotMemory;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.LinkOption;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Set;

/** Maps slots. Nothing but a regular file under {@code /dev/shm} is mapped, and never past its end. */
final class SlotMapping {
    private static final Path SHM = Path.of("/dev/shm");

    private SlotMapping() {}

    /** Maps a slot for reading, until the arena is closed. */
    static MemorySegment readOnly(SlotMemory slot, Arena arena) throws Refusal {
        return map(slot, arena, MapMode.READ_ONLY, Set.of(StandardOpenOption.READ, LinkOption.NOFOLLOW_LINKS));
    }

    /** Maps a slot for writing, until the arena is closed. */
    static MemorySegment writable(SlotMemory slot, Arena arena) throws Refusal {
        return map(
                slot,
                arena,
                MapMode.READ_WRITE,
                Set.of(StandardOpenOption.READ, StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS));
    }

    private static MemorySegment map(SlotMemory memory, Arena arena, MapMode mode, Set<? extends OpenOption> options)
            throws Refusal {
        if (!(memory instanceof SlotMemory.Shm slot)) {
            throw new Refusal("this engine has no CUDA: it maps slots of kind shm only, not cuda");
        }
        try (FileChannel file = FileChannel.open(regularShmFile(slot.path()), options)) {
            long size = file.size();
            if (slot.bytes() > size || slot.offset() > size - slot.bytes()) {
                throw new Refusal(
                        "slot %s: %d bytes from %d do not lie within the file's %d bytes",
                        slot.path(), slot.bytes(), slot.offset(), size);
            }
            return file.map(mode, slot.offset(), slot.bytes(), arena);
        } catch (IOException e) {
            throw new Refusal("slot %s can not be mapped: %s", slot.path(), e);
        }
    }

    private static Path regularShmFile(String given) throws IOException, Refusal {
        try {
            Path path = Path.of(given);
            if (!path.isAbsolute()) {
                throw new Refusal("slot %s: the path must be absolute", given);
            }
            Path real = path.toRealPath();
            if (!real.startsWith(SHM) || !Files.isRegularFile(real, LinkOption.NOFOLLOW_LINKS)) {
                throw new Refusal("slot %s is no regular file under %s", given, SHM);
            }
            return real;
        } catch (InvalidPathException e) {
            throw new Refusal("slot path is invalid: %s", e.getReason());
        }
    }
}
