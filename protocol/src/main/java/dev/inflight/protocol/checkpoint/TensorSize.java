package dev.inflight.protocol.checkpoint;

import java.util.List;
import java.util.OptionalLong;

/** How many bytes a dtype and a shape take. */
final class TensorSize {
    private TensorSize() {}

    /** Size in bytes; empty if it overflows 64 bits or, for a packed dtype, is no whole number of bytes. */
    static OptionalLong bytes(Dtype dtype, List<Long> shape) {
        try {
            long elements = 1;
            for (long extent : shape) {
                elements = Math.multiplyExact(elements, extent);
            }
            long bits = Math.multiplyExact(elements, dtype.bits());
            return bits % 8 == 0 ? OptionalLong.of(bits / 8) : OptionalLong.empty();
        } catch (ArithmeticException e) {
            return OptionalLong.empty();
        }
    }
}
