package dev.inflight.protocol.checkpoint;

import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Element types of the safetensors format, under the format's own names. Sizes are in bits per element. */
public enum Dtype {
    BOOL(8),
    F4(4),
    F6_E2M3(6),
    F6_E3M2(6),
    U8(8),
    I8(8),
    F8_E5M2(8),
    F8_E4M3(8),
    F8_E8M0(8),
    F8_E4M3FNUZ(8),
    F8_E5M2FNUZ(8),
    I16(16),
    U16(16),
    F16(16),
    BF16(16),
    I32(32),
    U32(32),
    F32(32),
    C64(64),
    F64(64),
    I64(64),
    U64(64);

    private static final Map<String, Dtype> BY_NAME =
            Stream.of(values()).collect(Collectors.toUnmodifiableMap(Dtype::name, Function.identity()));

    private final int bits;

    Dtype(int bits) {
        this.bits = bits;
    }

    /** Bits per element; fewer than 8 for packed types. */
    public int bits() {
        return bits;
    }

    public static Optional<Dtype> byName(String name) {
        return Optional.ofNullable(BY_NAME.get(name));
    }
}
