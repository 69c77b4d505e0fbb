package dev.inflight.engine;

import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Whether weights look like weights: a few elements of every floating-point tensor are finite. A training run that diverged
 * leaves NaNs almost everywhere, and no engine can serve them, however well they were transferred.
 */
final class WeightHealth {
    private static final int PROBES = 64;

    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfDouble DOUBLE =
            ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private WeightHealth() {}

    /** The first tensor in which something is not finite, and where; null if all looks well. */
    static @Nullable String problem(List<Parameter> parameters) {
        for (Parameter parameter : parameters) {
            int elementBytes = parameter.shape().dtype().bits() / Byte.SIZE;
            long elements = elementBytes == 0 ? 0 : parameter.bytes() / elementBytes;
            long step = Math.max(1, elements / PROBES);
            for (long element = 0; element < elements; element += step) {
                if (!isFinite(parameter, element * elementBytes)) {
                    return "tensor \"" + parameter.name() + "\" is not finite at element " + element;
                }
            }
        }
        return null;
    }

    private static boolean isFinite(Parameter parameter, long offset) {
        return switch (parameter.shape().dtype()) {
            case BF16 -> Float.isFinite(Float.intBitsToFloat(parameter.memory().get(SHORT, offset) << Short.SIZE));
            case F16 -> Float.isFinite(Float.float16ToFloat(parameter.memory().get(SHORT, offset)));
            case F32 -> Float.isFinite(parameter.memory().get(FLOAT, offset));
            case F64 -> Double.isFinite(parameter.memory().get(DOUBLE, offset));
            default -> true;
        };
    }
}
