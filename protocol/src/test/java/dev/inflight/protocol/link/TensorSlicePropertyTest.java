package dev.inflight.protocol.link;

import static org.assertj.core.api.Assertions.assertThat;

import dev.inflight.protocol.checkpoint.Dtype;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.TreeSet;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;

class TensorSlicePropertyTest {
    private static final List<Dtype> DTYPES = List.of(Dtype.F8_E4M3, Dtype.BF16, Dtype.F32, Dtype.F4, Dtype.F6_E2M3);

    /** A random tensor of rank 1 to 4 with small extents, cut along one of its dimensions. */
    private record Cut(Dtype dtype, List<Long> shape, int dim, int size) {
        static Cut random(Random random, int size) {
            Dtype dtype = DTYPES.get(random.nextInt(DTYPES.size()));
            int rank = 1 + random.nextInt(4);
            int dim = random.nextInt(rank);
            List<Long> shape = new ArrayList<>();
            for (int i = 0; i < rank; i++) {
                shape.add(1L + random.nextInt(5));
            }
            shape.set(dim, shape.get(dim) * size);
            if (dtype.bits() < 8) {
                int last = rank - 1;
                shape.set(last, shape.get(last) * 4);
            }
            return new Cut(dtype, shape, dim, size);
        }

        TensorSlice part(int rank) throws SliceException {
            return TensorSlice.part("t", dtype, shape, dim, rank, size);
        }

        /** The part, byte by byte and by the definition: which elements have the right index in the cut dimension. */
        byte[] expected(byte[] full, int rank) {
            long inner = shape.subList(dim + 1, shape.size()).stream().reduce(1L, (a, b) -> a * b);
            long extent = shape.get(dim);
            long bitsInner = inner * dtype.bits();
            byte[] bits = new byte[full.length * 8];
            int kept = 0;
            for (int bit = 0; bit < bits.length; bit++) {
                long index = bit / bitsInner % extent;
                if (index / (extent / size) == rank) {
                    bits[kept++] = (byte) (full[bit / 8] >> (bit % 8) & 1);
                }
            }
            byte[] part = new byte[kept / 8];
            for (int bit = 0; bit < part.length * 8; bit++) {
                part[bit / 8] |= (byte) (bits[bit] << (bit % 8));
            }
            return part;
        }
    }

    @Property(tries = 400)
    void anyPartitionCopiedPieceByPieceGivesExactlyThePart(
            @ForAll @IntRange(min = 1, max = 5) int size, @ForAll long seed) throws SliceException {
        Random random = new Random(seed);
        Cut cut = Cut.random(random, size);
        for (int rank = 0; rank < size; rank++) {
            TensorSlice slice = cut.part(rank);
            byte[] full = new byte[(int) slice.fullBytes()];
            random.nextBytes(full);
            byte[] part = new byte[(int) slice.bytes()];
            boolean[] written = new boolean[part.length];

            long from = 0;
            for (long to : cuts(full.length, random)) {
                long next = slice.local(from);
                List<TensorSlice.Run> runs = slice.runs(from, to);
                assertThat(runs).hasSizeLessThanOrEqualTo(3);
                for (TensorSlice.Run run : runs) {
                    assertThat(run.local())
                            .as("runs are neighbours in the part")
                            .isEqualTo(next);
                    assertThat(run.bytes()).isPositive();
                    for (long i = 0; i < run.bytes(); i++) {
                        long at = run.full() + i / run.length() * run.stride() + i % run.length();
                        assertThat(at).isBetween(from, to - 1);
                        assertThat(slice.full(run.local() + i)).isEqualTo(at);
                        part[(int) (run.local() + i)] = full[(int) at];
                        assertThat(written[(int) (run.local() + i)]).isFalse();
                        written[(int) (run.local() + i)] = true;
                    }
                    next += run.bytes();
                }
                assertThat(next).isEqualTo(slice.local(to));
                from = to;
            }
            assertThat(part).isEqualTo(cut.expected(full, rank));
        }
    }

    @Property(tries = 100)
    void thePartsOfAllRanksAreTheTensor(@ForAll @IntRange(min = 1, max = 5) int size, @ForAll long seed)
            throws SliceException {
        Cut cut = Cut.random(new Random(seed), size);
        boolean[] covered = new boolean[(int) cut.part(0).fullBytes()];
        for (int rank = 0; rank < size; rank++) {
            TensorSlice slice = cut.part(rank);
            for (long i = 0; i < slice.bytes(); i++) {
                assertThat(covered[(int) slice.full(i)]).isFalse();
                covered[(int) slice.full(i)] = true;
            }
        }
        boolean[] all = new boolean[covered.length];
        Arrays.fill(all, true);
        assertThat(covered).isEqualTo(all);
    }

    /** Ends of the pieces, in order, the last being the tensor's; anywhere in rows and elements. */
    private static List<Long> cuts(int bytes, Random random) {
        TreeSet<Long> ends = new TreeSet<>();
        ends.add((long) bytes);
        for (int i = random.nextInt(6); i > 0; i--) {
            ends.add(1L + random.nextInt(bytes));
        }
        return List.copyOf(ends);
    }
}
