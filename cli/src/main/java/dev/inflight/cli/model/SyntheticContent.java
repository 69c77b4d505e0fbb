package dev.inflight.cli.model;

import dev.inflight.protocol.checkpoint.Dtype;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;

/**
 * Pseudo-random tensor bytes, made at memory speed: one random block, combined with another word for every MiB of every
 * tensor. Floating-point elements are finite, so that engines may compute with them and compare by value. Two seeds
 * differ in about 99 % of the bytes. Not thread-safe.
 */
final class SyntheticContent {
    static final int CHUNK_BYTES = 1 << 20;

    /** Clears the exponent's top bit of each 16-bit or wider float, of each 8-bit float, or all but a bool's value. */
    private static final long WIDE = 0xBFFF_BFFF_BFFF_BFFFL;

    private static final long NARROW = 0xBFBF_BFBF_BFBF_BFBFL;
    private static final long BOOLEAN = 0x0101_0101_0101_0101L;

    private final long seed;
    private final long[] block = new long[CHUNK_BYTES / Long.BYTES];
    private final long[] mixed = new long[CHUNK_BYTES / Long.BYTES];
    private final MemorySegment chunk = Arena.ofAuto().allocate(CHUNK_BYTES, Long.BYTES);

    SyntheticContent(long seed) {
        this.seed = seed;
        SplittableRandom random = new SplittableRandom(seed);
        for (int i = 0; i < block.length; i++) {
            block[i] = random.nextLong();
        }
    }

    /** Bytes of one MiB of a tensor; overwritten by the next call. */
    MemorySegment chunk(int tensor, long index, Dtype dtype) {
        long word = new SplittableRandom(seed ^ ((long) tensor << 32) ^ (index * 0x9E37_79B9_7F4A_7C15L)).nextLong();
        long mask = mask(dtype);
        for (int i = 0; i < block.length; i++) {
            mixed[i] = (block[i] ^ word) & mask;
        }
        MemorySegment.copy(mixed, 0, chunk, ValueLayout.JAVA_LONG, 0, mixed.length);
        return chunk;
    }

    private static long mask(Dtype dtype) {
        if (dtype == Dtype.BOOL) {
            return BOOLEAN;
        }
        return dtype.bits() > Byte.SIZE ? WIDE : NARROW;
    }
}
