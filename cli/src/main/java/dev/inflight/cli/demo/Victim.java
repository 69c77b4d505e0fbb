package dev.inflight.cli.demo;

import dev.inflight.protocol.checkpoint.BlockHasher;
import dev.inflight.protocol.checkpoint.TensorSpec;
import dev.inflight.protocol.plan.Slice;
import dev.inflight.worker.store.CheckpointFiles;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/**
 * A block of a tensor whose bytes were found somewhere, of which a bit is to be flipped there.
 *
 * @param begin its first byte, counted from the tensor's
 * @param at where that is in the place
 */
record Victim(TensorSpec tensor, long begin, String fileName, Path place, long at) {
    /** Blocks of tensors begin at multiples of this wherever they are in memory. */
    private static final int ALIGNMENT = 64;

    private static final int PATTERN_BYTES = 64;
    private static final int WINDOW_BYTES = 1 << 20;
    private static final long LEAST_BYTES = 4096;
    private static final int FLIPPED_BIT = 0x08;
    private static final Path SHARED_MEMORY = Path.of("/dev/shm");

    /** A range of a place, such as a mapping of a process. */
    record Range(long begin, long end) {}

    /** The shared-memory files that a process made for a purpose, {@code arena} or {@code slots}. */
    static List<Path> files(long pid, String purpose) throws IOException {
        List<Path> files = new ArrayList<>();
        try (DirectoryStream<Path> all =
                Files.newDirectoryStream(SHARED_MEMORY, "inflight-*-" + pid + "-" + purpose + "-*")) {
            all.forEach(files::add);
        }
        files.sort(Comparator.naturalOrder());
        return files;
    }

    /** How a block begins. */
    private record Beginning(long word, ByteBuffer pattern, TensorSpec tensor, long begin) {}

    /** All blocks of the checkpoint that are found in the place, in the order in which they lie there. */
    static List<Victim> find(CheckpointFiles files, Path place, List<Range> ranges) throws IOException {
        List<Beginning> blocks = beginnings(files);
        List<Victim> found = new ArrayList<>();
        long[] words = blocks.stream().mapToLong(Beginning::word).toArray();
        try (RandomAccessFile open = new RandomAccessFile(place.toFile(), "r")) {
            byte[] window = new byte[WINDOW_BYTES + PATTERN_BYTES];
            for (Range range : ranges) {
                for (long at = range.begin(); at < range.end(); at += WINDOW_BYTES) {
                    int read = read(open, at, window, (int) Math.min(window.length, range.end() - at));
                    for (int i = 0; i + PATTERN_BYTES <= read && i < WINDOW_BYTES; i += ALIGNMENT) {
                        int known = Arrays.binarySearch(words, word(window, i));
                        if (known >= 0 && isAt(window, i, blocks.get(known))) {
                            Beginning block = blocks.get(known);
                            String name = name(files, block.tensor());
                            found.add(new Victim(block.tensor(), block.begin(), name, place, at + i));
                        }
                    }
                }
            }
        }
        return found;
    }

    private static List<Beginning> beginnings(CheckpointFiles files) {
        List<Beginning> blocks = new ArrayList<>();
        List<TensorSpec> tensors = files.layout().tensors();
        for (int index = 0; index < tensors.size(); index++) {
            TensorSpec tensor = tensors.get(index);
            for (long begin = 0; begin + LEAST_BYTES <= tensor.bytes(); begin += BlockHasher.BLOCK_BYTES) {
                byte[] pattern = new byte[PATTERN_BYTES];
                files.read(new Slice(index, begin, begin + PATTERN_BYTES), MemorySegment.ofArray(pattern), 0);
                blocks.add(new Beginning(word(pattern, 0), ByteBuffer.wrap(pattern), tensor, begin));
            }
        }
        blocks.sort(Comparator.comparingLong(Beginning::word));
        return blocks;
    }

    private static boolean isAt(byte[] window, int at, Beginning block) {
        return ByteBuffer.wrap(window, at, PATTERN_BYTES).equals(block.pattern());
    }

    /** Everywhere in a file. */
    static List<Range> all(Path file) throws IOException {
        return List.of(new Range(0, Files.size(file)));
    }

    /** The private memory of a process that it can write, as {@code /proc/PID/mem} counts it. */
    static List<Range> privateMemory(long pid) throws IOException {
        List<Range> ranges = new ArrayList<>();
        for (String line : Files.readAllLines(Path.of("/proc/" + pid + "/maps"))) {
            String[] fields = line.strip().split("\\s+", -1);
            boolean named = fields.length > 5 && !fields[5].equals("[heap]") && !fields[5].startsWith("[anon");
            if (fields[1].startsWith("rw") && fields[1].endsWith("p") && !named) {
                String[] ends = fields[0].split("-", -1);
                ranges.add(new Range(Long.parseUnsignedLong(ends[0], 16), Long.parseUnsignedLong(ends[1], 16)));
            }
        }
        return ranges;
    }

    static Path memory(long pid) {
        return Path.of("/proc/" + pid + "/mem");
    }

    /** Whether it is the same block, perhaps in another place. */
    boolean isSameBlock(Victim other) {
        return tensor.equals(other.tensor) && begin == other.begin;
    }

    /** Flips a bit a few bytes behind the beginning. Flipping again restores it. */
    void flip() throws IOException {
        try (RandomAccessFile open = new RandomAccessFile(place.toFile(), "rw")) {
            long where = at + PATTERN_BYTES + 5;
            open.seek(where);
            int was = open.read();
            if (was < 0) {
                throw new IOException(place + " ends before byte " + where);
            }
            open.seek(where);
            open.write(was ^ FLIPPED_BIT);
        }
    }

    /** The same block in the checkpoint's own file. */
    Victim inItsFile(CheckpointFiles files) {
        return new Victim(tensor, begin, fileName, files.path(tensor.file()), tensor.begin() + begin);
    }

    private static String name(CheckpointFiles files, TensorSpec tensor) {
        return files.layout().files().get(tensor.file()).name();
    }

    private static long word(byte[] bytes, int at) {
        return MemorySegment.ofArray(bytes).get(ValueLayout.JAVA_LONG_UNALIGNED, at);
    }

    /** Some mappings can not be read; nothing of a checkpoint is in those. */
    private static int read(RandomAccessFile open, long at, byte[] into, int most) {
        try {
            open.seek(at);
            int read = 0;
            while (read < most) {
                int more = open.read(into, read, most - read);
                if (more < 0) {
                    return read;
                }
                read += more;
            }
            return read;
        } catch (IOException e) {
            return 0;
        }
    }
}
