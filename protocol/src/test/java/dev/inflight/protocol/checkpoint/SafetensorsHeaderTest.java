package dev.inflight.protocol.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

class SafetensorsHeaderTest {
    private static final String FILE = "model.safetensors";

    @Test
    void readsTensorsInByteOrderWithRangesCountedFromTheFilesStart() {
        String json = """
                {"__metadata__":{"format":"pt"},
                "b":{"dtype":"F32","shape":[2,1],"data_offsets":[4,12]},
                "a":{"data_offsets":[0,4],"shape":[2],"dtype":"BF16"}}\s\s""";
        SafetensorsHeader header = parse(json, 12);

        long start = 8 + json.length();
        assertThat(header.metadata()).isEqualTo(Map.of("format", "pt"));
        assertThat(header.tensors())
                .containsExactly(
                        new TensorSpec("a", Dtype.BF16, List.of(2L), 0, start, start + 4),
                        new TensorSpec("b", Dtype.F32, List.of(2L, 1L), 0, start + 4, start + 12));
    }

    @ParameterizedTest
    @EnumSource(Dtype.class)
    void takesEveryDtypeOfTheFormat(Dtype dtype) {
        SafetensorsHeader header = parse(tensor("t", dtype.name(), "[8]", 0, dtype.bits()), dtype.bits());

        assertThat(header.tensors().getFirst().bytes()).isEqualTo(dtype.bits());
    }

    @Test
    void takesScalarsAndTensorsWithoutElementsAndNoTensorsAtAll() {
        assertThat(parse(tensor("t", "F64", "[]", 0, 8), 8).tensors().getFirst().shape())
                .isEmpty();
        assertThat(parse("{" + entry("z", "F64", "[3,0]", 0, 0) + "," + entry("t", "U8", "[1]", 0, 1) + "}", 1)
                        .tensors())
                .extracting(TensorSpec::name)
                .containsExactly("t", "z");
        assertThat(parse("{}", 0).tensors()).isEmpty();
    }

    @Test
    void takesTensorsBeyondTwoGigabytes() {
        long bytes = 5L << 40;

        assertThat(parse(tensor("t", "F16", "[1048576,2621440]", 0, bytes), bytes)
                        .tensors()
                        .getFirst()
                        .bytes())
                .isEqualTo(bytes);
    }

    static Stream<Arguments> refusals() {
        String ok = entry("t", "U8", "[4]", 0, 4);
        return Stream.of(
                Arguments.of("", 4, "must start with {"),
                Arguments.of(" {}", 4, "must start with {"),
                Arguments.of("[]", 4, "must start with {"),
                Arguments.of("{" + ok, 4, "not valid JSON"),
                Arguments.of("{" + ok + ",}", 4, "not valid JSON"),
                Arguments.of("{" + ok + "}}", 4, "not valid JSON"),
                Arguments.of("{" + ok + "} 1", 4, "more follows"),
                Arguments.of("{" + ok + "}\0", 4, "not valid JSON"),
                Arguments.of("{" + ok + "," + ok + "}", 4, "tensor \"t\" appears twice"),
                Arguments.of("{\"__metadata__\":{\"a\":\"b\",\"a\":\"b\"}}", 0, "__metadata__ has \"a\" twice"),
                Arguments.of("{\"__metadata__\":{},\"__metadata__\":{}}", 0, "\"__metadata__\" appears twice"),
                Arguments.of("{\"__metadata__\":{\"a\":1}}", 0, "__metadata__ entry \"a\" must be a string"),
                Arguments.of("{\"__metadata__\":{\"a\":{\"b\":\"c\"}}}", 0, "must be a string"),
                Arguments.of("{\"t\":[]}", 0, "tensor \"t\" entry must be an object"),
                Arguments.of("{\"t\":{\"t\":{}}}", 0, "tensor \"t\" has the unknown field \"t\""),
                Arguments.of("{\"t\":{}}", 0, "tensor \"t\" needs a dtype, a shape and two data_offsets"),
                Arguments.of(tensor("t", "U8", "[4]", 0, 4).replace(",4]", "]"), 4, "needs a dtype, a shape and two"),
                Arguments.of(tensor("t", "U8", "[4]", 0, 4).replace(",4]", ",4,4]"), 4, "more than 2 entries"),
                Arguments.of(
                        "{\"t\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}",
                        4,
                        "tensor \"t\" has the field dtype twice"),
                Arguments.of(tensor("t", "F7", "[4]", 0, 4), 4, "tensor \"t\" has the unknown dtype \"F7\""),
                Arguments.of(tensor("t", "u8", "[4]", 0, 4), 4, "unknown dtype"),
                Arguments.of(tensor("t", "U8", "[-4]", 0, 4), 4, "tensor \"t\" shape holds the negative number -4"),
                Arguments.of(tensor("t", "U8", "[4.0]", 0, 4), 4, "whole numbers only"),
                Arguments.of(tensor("t", "U8", "[\"4\"]", 0, 4), 4, "whole numbers only"),
                Arguments.of(tensor("t", "U8", "[[4]]", 0, 4), 4, "whole numbers only"),
                Arguments.of(tensor("t", "U8", "4", 0, 4), 4, "shape must be an array"),
                Arguments.of(tensor("t", "U8", "[9223372036854775808]", 0, 4), 4, "beyond 64 bits"),
                Arguments.of(tensor("t", "U8", "[4294967296,4294967296]", 0, 0), 0, "overflows 64 bits"),
                Arguments.of(tensor("t", "F64", "[2305843009213693952]", 0, 0), 0, "overflows 64 bits"),
                Arguments.of(tensor("t", "U8", "[" + "1,".repeat(64) + "1]", 0, 1), 1, "more than 64 entries"),
                Arguments.of(tensor("t", "F4", "[3]", 0, 2), 2, "no whole number of bytes"),
                Arguments.of(tensor("t", "F6_E2M3", "[3]", 0, 3), 3, "no whole number of bytes"),
                Arguments.of(tensor("t", "F32", "[2]", 0, 4), 4, "takes 8 bytes but its data_offsets are [0, 4]"),
                Arguments.of(tensor("t", "U8", "[4]", 4, 0), 4, "takes 4 bytes but its data_offsets are [4, 0]"),
                Arguments.of(tensor("t", "U8", "[5]", 0, 5), 4, "the file has"),
                Arguments.of(tensor("t", "U8", "[1]", Long.MAX_VALUE - 1, Long.MAX_VALUE), 4, "the file has"),
                Arguments.of("{" + ok + "," + entry("u", "U8", "[4]", 2, 6) + "}", 6, "inside another tensor"),
                Arguments.of("{" + ok + "," + entry("z", "U8", "[0]", 2, 2) + "}", 4, "inside another tensor"),
                Arguments.of("{" + ok + "," + entry("u", "U8", "[1]", 5, 6) + "}", 6, "belong to no tensor"),
                Arguments.of(tensor("t", "U8", "[4]", 1, 5), 5, "belong to no tensor"),
                Arguments.of(tensor("t", "U8", "[4]", 0, 4), 5, "the rest belongs to no tensor"),
                Arguments.of(tensor("\\ud800", "U8", "[4]", 0, 4), 4, "Broken surrogate pair"),
                Arguments.of(tensor("\\udc00", "U8", "[4]", 0, 4), 4, "Unexpected low surrogate"),
                Arguments.of("{\"__metadata__\":{\"a\":\"\\ud800x\"}}", 0, "\"\\ud800x\" is not valid Unicode"));
    }

    @ParameterizedTest
    @MethodSource("refusals")
    void refusesByNameWhatBreaksTheFormat(String json, long dataBytes, String problem) {
        assertThatExceptionOfType(CheckpointException.class)
                .isThrownBy(() -> parse(json, dataBytes))
                .withMessageStartingWith(FILE + ": ")
                .withMessageContaining(problem);
    }

    @Test
    void saysWhereATruncatedFileEnds() {
        String json = tensor("lm_head.weight", "U8", "[100]", 0, 100);

        assertThatExceptionOfType(CheckpointException.class)
                .isThrownBy(() -> parse(json, 99))
                .withMessage("%s: tensor \"lm_head.weight\" ends at byte %d but the file has %d; it may be truncated"
                        .formatted(FILE, 8 + json.length() + 100, 8 + json.length() + 99));
    }

    @Test
    void refusesAllButUtf8() {
        byte[] badByte = tensor("t?", "U8", "[1]", 0, 1).getBytes(StandardCharsets.ISO_8859_1);
        badByte[3] = (byte) 0xff;

        assertThatExceptionOfType(CheckpointException.class)
                .isThrownBy(() -> SafetensorsHeader.parse(FILE, 9 + badByte.length, badByte))
                .withMessage(FILE + ": header is not valid UTF-8");
        byte[] wide = tensor("t", "U8", "[1]", 0, 1).getBytes(StandardCharsets.UTF_16LE);
        assertThatExceptionOfType(CheckpointException.class)
                .isThrownBy(() -> SafetensorsHeader.parse(FILE, 9 + wide.length, wide))
                .withMessageStartingWith(FILE + ": header is not valid JSON");
    }

    @Test
    void refusesAHeaderThatTheFileCanNotHold() {
        assertThat(SafetensorsHeader.jsonBytes(FILE, 10, prefix(2))).isEqualTo(2);
        refusesLength(7, new byte[7], "has 7 bytes, too few");
        refusesLength(9, prefix(2), "header of 2 bytes is longer than the file of 9 bytes");
        refusesLength(1L << 40, prefix(100_000_001), "over the format's limit");
        refusesLength(1L << 40, prefix(-1), "header length 18446744073709551615 is over");
    }

    @Test
    void shortensAndEscapesNamesInMessages() {
        String json = tensor("x\\u0000\\n" + "y".repeat(40_000), "F7", "[1]", 0, 1);

        assertThatExceptionOfType(CheckpointException.class)
                .isThrownBy(() -> parse(json, 1))
                .withMessageContaining("tensor \"x\\u0000\\u000ayyy")
                .satisfies(e -> assertThat(e.getMessage()).hasSizeLessThan(300));
    }

    @Test
    void refusesATensorThatTwoFilesHold() {
        SafetensorsHeader one = SafetensorsHeader.parse("1.safetensors", size("{}", 0), bytes("{}"));
        String json = tensor("t", "U8", "[1]", 0, 1);
        SafetensorsHeader two = SafetensorsHeader.parse("2.safetensors", size(json, 1), bytes(json));
        SafetensorsHeader three = SafetensorsHeader.parse("3.safetensors", size(json, 1), bytes(json));

        assertThat(CheckpointLayout.of(List.of(two, one)).files())
                .extracting(SourceFile::name)
                .containsExactly("1.safetensors", "2.safetensors");
        assertThatExceptionOfType(CheckpointException.class)
                .isThrownBy(() -> CheckpointLayout.of(List.of(three, one, two)))
                .withMessage("3.safetensors: tensor \"t\" is also in 2.safetensors");
    }

    @Test
    void reads150000Tensors() {
        int tensors = 150_000;
        StringBuilder json = new StringBuilder("{");
        for (int i = 0; i < tensors; i++) {
            json.append(i == 0 ? "" : ",")
                    .append(entry(
                            "model.layers." + i + ".experts.gate_proj.weight", "F8_E4M3", "[2,3]", 6L * i, 6L * i + 6));
        }
        json.append("}");

        List<TensorSpec> parsed = parse(json.toString(), 6L * tensors).tensors();

        assertThat(parsed).hasSize(tensors);
        assertThat(parsed.getLast().name()).isEqualTo("model.layers.149999.experts.gate_proj.weight");
    }

    private static void refusesLength(long fileBytes, byte[] prefix, String problem) {
        assertThatExceptionOfType(CheckpointException.class)
                .isThrownBy(() -> SafetensorsHeader.jsonBytes(FILE, fileBytes, prefix))
                .withMessageStartingWith(FILE + ": ")
                .withMessageContaining(problem);
    }

    private static byte[] prefix(long length) {
        return ByteBuffer.allocate(8)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(length)
                .array();
    }

    private static SafetensorsHeader parse(String json, long dataBytes) {
        return SafetensorsHeader.parse(FILE, size(json, dataBytes), bytes(json));
    }

    private static long size(String json, long dataBytes) {
        return 8 + bytes(json).length + dataBytes;
    }

    private static byte[] bytes(String json) {
        return json.getBytes(StandardCharsets.UTF_8);
    }

    private static String tensor(String name, String dtype, String shape, long begin, long end) {
        return "{" + entry(name, dtype, shape, begin, end) + "}";
    }

    private static String entry(String name, String dtype, String shape, long begin, long end) {
        return "\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%d,%d]}"
                .formatted(name, dtype, shape, begin, end);
    }
}
