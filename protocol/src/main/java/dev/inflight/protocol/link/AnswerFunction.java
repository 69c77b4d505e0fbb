package dev.inflight.protocol.link;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;

/**
 * What an engine without a real model answers: a digest of a few of its weights, chosen by a seed. Anyone with the
 * checkpoint can compute the answer that a version must give.
 *
 * <p>FNV-1a (64 bits) over {@value #PROBES} bytes of every tensor that has any, tensors in {@link #NAME_ORDER}; the
 * offsets come from splitmix64.
 */
public final class AnswerFunction {
    /** The order in which tensors are probed: by the UTF-8 bytes of their names. */
    public static final Comparator<String> NAME_ORDER =
            Comparator.comparing(name -> name.getBytes(StandardCharsets.UTF_8), Arrays::compareUnsigned);

    private static final int PROBES = 4;
    private static final long FNV_OFFSET_BASIS = 0xcbf29ce484222325L;
    private static final long FNV_PRIME = 0x100000001b3L;

    private AnswerFunction() {}

    /** A tensor's bytes. */
    public interface Tensor {
        /** Size in bytes. */
        long bytes();

        /** The byte at an offset from 0 to below {@link #bytes()}. */
        byte byteAt(long offset);
    }

    /**
     * Returns the answer, 16 lower-case hex digits.
     *
     * @param seed any 64 bits
     * @param tensors the checkpoint's tensors in {@link #NAME_ORDER}; those of zero bytes are skipped
     */
    public static String answer(long seed, List<? extends Tensor> tensors) {
        long hash = FNV_OFFSET_BASIS;
        long position = 0;
        for (Tensor tensor : tensors) {
            if (tensor.bytes() == 0) {
                continue;
            }
            for (int probe = 0; probe < PROBES; probe++) {
                long random = splitMix64(seed + position * PROBES + probe);
                long offset = Long.remainderUnsigned(random, tensor.bytes());
                hash = (hash ^ (tensor.byteAt(offset) & 0xff)) * FNV_PRIME;
            }
            position++;
        }
        return HexFormat.of().toHexDigits(hash);
    }

    /** Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", with its gamma added first. */
    static long splitMix64(long x) {
        long z = x + 0x9E3779B97F4A7C15L;
        z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
        z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
        return z ^ (z >>> 31);
    }
}
