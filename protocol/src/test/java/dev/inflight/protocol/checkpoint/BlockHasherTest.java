package dev.inflight.protocol.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class BlockHasherTest {
    /** Values of xxHash's own sanity check; the last two from its C library over the same generator. */
    @ParameterizedTest
    @CsvSource({
        "0, 99aa06d3014798d86001c324468d497f",
        "1, a6cd5e9392000f6ac44bdff4074eecdb",
        "6, 082afe0b8162d12a3e7039bdda43cfc6",
        "12, 6e3efd8fc7802b18061a192713f69ad9",
        "24, 0ce966e4678d37611e7044d28b1b901d",
        "48, a002ac4e5478227ef942219aed80f67b",
        "81, 4952f58181ab00425e8bafb9f95fb803",
        "222, 337e09641b948717f1aebd597cec6b3a",
        "403, 1b6de21e332dd73dcdeb804d65c6dea4",
        "512, 18d2d110dcc9bca1617e49599013cb6b",
        "2048, f736557fd47073a5dd59e2c3a5f038e0",
        "2240, ccb134fbfa7ce49d6e73a90539cf2948",
        "2367, e89c0f6ff369b427cb37aeb9e5d361ed",
        "1048576, 6f7444ca6384250b7ade52bbfbd697ba",
    })
    void digestsInCanonicalOrderAsThexxHashProjectPublishes(int length, String expected) {
        byte[] input = xxHashTestInput(length);

        assertThat(BlockHasher.digest(input).hex()).isEqualTo(expected);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocate(length + 3L);
            MemorySegment.copy(input, 0, memory, ValueLayout.JAVA_BYTE, 3, length);
            assertThat(BlockHasher.digest(memory, 3, length).hex()).isEqualTo(expected);
        }
    }

    @Test
    void sumsWithTheCastagnoliPolynomial() {
        byte[] check = "123456789".getBytes(StandardCharsets.US_ASCII);

        try (Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocateFrom(ValueLayout.JAVA_BYTE, check);
            assertThat(BlockHasher.crc(memory, 0, 9)).isEqualTo(0xe3069283);
            assertThat(BlockHasher.crc(MemorySegment.ofArray(check), 0, 9)).isEqualTo(0xe3069283);
        }
    }

    @Test
    void countsBlocks() {
        assertThat(BlockHasher.blocks(0)).isZero();
        assertThat(BlockHasher.blocks(1)).isEqualTo(1);
        assertThat(BlockHasher.blocks(1 << 20)).isEqualTo(1);
        assertThat(BlockHasher.blocks((1 << 20) + 1)).isEqualTo(2);
        assertThat(BlockHasher.blocks(5L << 40)).isEqualTo(5L << 20);
    }

    private static byte[] xxHashTestInput(int length) {
        byte[] input = new byte[length];
        long generator = 2654435761L;
        for (int i = 0; i < length; i++) {
            input[i] = (byte) (generator >>> 56);
            generator *= 0x9E3779B185EBCA8DL;
        }
        return input;
    }
}
