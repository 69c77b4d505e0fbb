package dev.inflight.protocol.link;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.stream.Stream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class AnswerFunctionTest {
    private record Bytes(byte[] content) implements AnswerFunction.Tensor {
        @Override
        public long bytes() {
            return content.length;
        }

        @Override
        public byte byteAt(long offset) {
            return content[Math.toIntExact(offset)];
        }
    }

    @Test
    void namesAreOrderedByTheirUtf8Bytes() {
        // U+FF5E sorts after U+1F600 in UTF-16 and before it in UTF-8.
        assertThat(Stream.of("b", "\uFF5E", "a.b", "\uD83D\uDE00", "a").sorted(AnswerFunction.NAME_ORDER))
                .containsExactly("a", "a.b", "b", "\uFF5E", "\uD83D\uDE00");
    }

    @Test
    void splitMixGivesItsPublishedSequence() {
        assertThat(AnswerFunction.splitMix64(0)).isEqualTo(0xE220A8397B1DCDAFL);
        assertThat(AnswerFunction.splitMix64(0x9E3779B97F4A7C15L)).isEqualTo(0x6E789E6AA1B965F4L);
    }

    @Test
    void answersAreThoseOfTheProtocolsDescription() {
        List<Bytes> tensors = List.of(
                new Bytes(new byte[] {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}), new Bytes(new byte[] {(byte) 0xff, 0, 0x7f}));
        assertThat(AnswerFunction.answer(0, tensors)).isEqualTo("e5f97fe1dd998b01");
        assertThat(AnswerFunction.answer(-1, tensors)).isEqualTo("448629a82cfa957c");
    }

    @Property
    void emptyTensorsDoNotCount(@ForAll long seed, @ForAll byte[] first, @ForAll byte[] second) {
        List<Bytes> with = List.of(new Bytes(first), new Bytes(new byte[0]), new Bytes(second));
        List<Bytes> without = List.of(new Bytes(first), new Bytes(second));
        assertThat(AnswerFunction.answer(seed, with)).isEqualTo(AnswerFunction.answer(seed, without));
    }

    @Property
    void oneByteTensorsAreAlwaysSeen(@ForAll long seed, @ForAll byte one, @ForAll byte other) {
        String answer = AnswerFunction.answer(seed, List.of(new Bytes(new byte[] {one})));
        String otherAnswer = AnswerFunction.answer(seed, List.of(new Bytes(new byte[] {other})));
        assertThat(answer.equals(otherAnswer)).isEqualTo(one == other);
        assertThat(answer).matches("[0-9a-f]{16}");
    }
}
