package dev.inflight.protocol.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SafetensorsIndexTest {
    private static final CheckpointLayout LAYOUT = new CheckpointLayout(
            List.of(new SourceFile("1.safetensors", 100), new SourceFile("2.safetensors", 100)),
            List.of(
                    new TensorSpec("a", Dtype.U8, List.of(1L), 0, 99, 100),
                    new TensorSpec("b", Dtype.U8, List.of(1L), 1, 99, 100)));

    @Test
    void readsWhichFileHoldsWhichTensor() {
        SafetensorsIndex index = parse("""
                {"metadata":{"total_size":2,"x":[{}]},"weight_map":{"b":"2.safetensors","a":"1.safetensors"}}""");

        assertThat(index.weightMap()).isEqualTo(Map.of("a", "1.safetensors", "b", "2.safetensors"));
        assertThat(index.files()).containsExactly("1.safetensors", "2.safetensors");
        index.requireAgreement(LAYOUT);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{\"a\":\"2.safetensors\",\"b\":\"2.safetensors\"} | tensor \"a\" is in 1.safetensors but the index says 2.safetensors",
                "{\"b\":\"2.safetensors\"} | tensor \"a\" is in 1.safetensors but not in the index",
                "{\"a\":\"1.safetensors\",\"b\":\"2.safetensors\",\"c\":\"2.safetensors\"} | tensor \"c\" is not in 2.safetensors as the index says",
            })
    void mustAgreeWithTheFiles(String weightMap, String problem) {
        SafetensorsIndex index = parse("{\"weight_map\":" + weightMap + "}");

        assertThatExceptionOfType(CheckpointException.class)
                .isThrownBy(() -> index.requireAgreement(LAYOUT))
                .withMessage("index.json: " + problem);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "[] | must be an object",
                "{} | has no weight_map entries",
                "{\"weight_map\":{}} | has no weight_map entries",
                "{\"weight_map\":{\"a\":1}} | must be a string",
                "{\"weight_map\":{\"a\":\"x\",\"a\":\"x\"}} | has tensor \"a\" twice",
                "{\"weight_map\":{\"a\":\"x\"},\"weight_map\":{\"a\":\"x\"}} | has the field weight_map twice",
                "{\"weight_map\":{\"a\":\"x\"}}} | not valid JSON",
            })
    void refusesWhatIsNoIndex(String json, String problem) {
        assertThatExceptionOfType(CheckpointException.class)
                .isThrownBy(() -> parse(json))
                .withMessageStartingWith("index.json: index")
                .withMessageContaining(problem);
    }

    private static SafetensorsIndex parse(String json) {
        return SafetensorsIndex.parse("index.json", json.getBytes(StandardCharsets.UTF_8));
    }
}
