package dev.inflight.cli.bench;

import static dev.inflight.cli.console.Rounding.measured;

import dev.inflight.protocol.checkpoint.BlockHasher;
import dev.inflight.protocol.checkpoint.BlockSums;
import dev.inflight.protocol.plan.Shard;
import dev.inflight.protocol.plan.Slice;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/**
 * How fast one core computes what a publish computes of every block, CRC32C and XXH3-128, beside what it can read and
 * copy. All rates are of one thread, in turns, over memory far beyond the caches.
 */
public final class DigestBench {
    private static final int WARM_UPS = 3;
    private static final int ROUNDS = 9;

    private DigestBench() {}

    /**
     * Rates in 10^9 bytes per second, medians over the rounds.
     *
     * @param bytes memory that each round goes over
     * @param digestGBps both sums of each block of 1 MiB, one behind the other while the block is in the cache
     * @param crcGBps CRC32C alone, which every update computes
     * @param xxh3GBps XXH3-128 alone, which {@code verify} computes
     * @param slowestDigestGBps the slowest round
     * @param readGBps adding up all words
     * @param copyGBps copying to other memory, bytes counted once
     * @param ratio digest / read
     * @param ratioOfCopy digest / copy
     */
    public record Report(
            String bench,
            long bytes,
            int rounds,
            double digestGBps,
            double slowestDigestGBps,
            double crcGBps,
            double xxh3GBps,
            double readGBps,
            double copyGBps,
            double ratio,
            double ratioOfCopy,
            int processors,
            String machine) {}

    /** Takes twice as much memory as it goes over. */
    public static Report run(long bytes) {
        try (Arena arena = Arena.ofConfined()) {
            long whole = Math.max(1, bytes / BlockHasher.BLOCK_BYTES) * BlockHasher.BLOCK_BYTES;
            MemorySegment memory = arena.allocate(whole, 4096);
            fill(memory);
            MemorySegment other = arena.allocate(whole, 4096).fill((byte) 1);
            Shard shard = new Shard(0, List.of(new Slice(0, 0, whole)));
            List<Runnable> works = List.of(
                    () -> publish(shard, memory),
                    () -> eachBlock(memory, BlockHasher::crc),
                    () -> eachBlock(
                            memory,
                            (segment, at, length) ->
                                    BlockHasher.digest(segment, at, length).hashCode()),
                    () -> read(memory),
                    () -> other.copyFrom(memory));
            double[][] rates = rates(works, whole);
            double digest = Median.ofSorted(rates[0]);
            double read = Median.ofSorted(rates[3]);
            double copy = Median.ofSorted(rates[4]);
            return new Report(
                    "digest",
                    whole,
                    ROUNDS,
                    measured(digest),
                    measured(rates[0][0]),
                    measured(Median.ofSorted(rates[1])),
                    measured(Median.ofSorted(rates[2])),
                    measured(read),
                    measured(copy),
                    measured(digest / read),
                    measured(digest / copy),
                    Machine.processors(),
                    Machine.cpuModel());
        }
    }

    /** All in turns, so that whatever else the machine does meets all of them; each row ascending. */
    private static double[][] rates(List<Runnable> works, long bytes) {
        double[][] rates = new double[works.size()][ROUNDS];
        for (int round = -WARM_UPS; round < ROUNDS; round++) {
            for (int work = 0; work < rates.length; work++) {
                long begin = System.nanoTime();
                works.get(work).run();
                long nanos = System.nanoTime() - begin;
                if (round >= 0) {
                    rates[work][round] = (double) bytes / nanos;
                }
            }
        }
        for (double[] one : rates) {
            Arrays.sort(one);
        }
        return rates;
    }

    /** As a host store does with what is in memory. */
    private static void publish(Shard shard, MemorySegment memory) {
        BlockSums.Builder sums = new BlockSums.Builder(shard);
        for (int block = 0; block < BlockHasher.blocks(memory.byteSize()); block++) {
            sums.sum(0, block, memory, 0);
        }
        sums.build();
    }

    private interface Sum {
        int of(MemorySegment segment, long offset, int bytes);
    }

    private static void eachBlock(MemorySegment memory, Sum sum) {
        int all = 0;
        for (long at = 0; at < memory.byteSize(); at += BlockHasher.BLOCK_BYTES) {
            all ^= sum.of(memory, at, BlockHasher.BLOCK_BYTES);
        }
        use(all);
    }

    private static void read(MemorySegment memory) {
        long all = 0;
        for (long at = 0; at < memory.byteSize(); at += BlockHasher.BLOCK_BYTES) {
            all += readBlock(memory.asSlice(at, BlockHasher.BLOCK_BYTES));
        }
        use(Long.hashCode(all));
    }

    /** A loop of this form is one that the JVM vectorises. */
    private static long readBlock(MemorySegment block) {
        long a = 0;
        long b = 0;
        long c = 0;
        long d = 0;
        for (int at = 0; at < BlockHasher.BLOCK_BYTES; at += 4 * Long.BYTES) {
            a += block.get(ValueLayout.JAVA_LONG, at);
            b += block.get(ValueLayout.JAVA_LONG, at + Long.BYTES);
            c += block.get(ValueLayout.JAVA_LONG, at + 2 * Long.BYTES);
            d += block.get(ValueLayout.JAVA_LONG, at + 3 * Long.BYTES);
        }
        return a ^ b ^ c ^ d;
    }

    /** Random: weights do not compress, and nothing here may depend on their values. */
    private static void fill(MemorySegment memory) {
        SplittableRandom random = new SplittableRandom(1);
        for (long at = 0; at < memory.byteSize(); at += Long.BYTES) {
            memory.set(ValueLayout.JAVA_LONG, at, random.nextLong());
        }
    }

    /** Keeps the JVM from leaving out what nobody looks at. */
    private static void use(int value) {
        if (value == 0x5EED_5EED && System.nanoTime() == 0) {
            throw new IllegalStateException("never");
        }
    }
}
