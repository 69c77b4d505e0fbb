package dev.inflight.protocol.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;

import dev.inflight.protocol.checkpoint.TestTensors.TestTensor;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A failing case is replayed by its seed and round, which the message carries. */
class MutationFuzzTest {
    private static final int ROUNDS = 4000;
    private static final List<String> TOKENS = List.of(
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"",
            "-1",
            "0",
            "9223372036854775807",
            "18446744073709551616",
            "1e400",
            "null",
            "true",
            "\"F4\"",
            "\"dtype\"",
            "\"shape\"",
            "\"data_offsets\"",
            "__metadata__",
            "\\ud800",
            "\\u0000",
            "\0",
            "{\"a\":".repeat(2000),
            "[".repeat(2000));

    private static final TestTensors TENSORS = new TestTensors(List.of(
            new TestTensor("a.weight", Dtype.F32, List.of(2L, 3L), new byte[24]),
            new TestTensor("b.scale", Dtype.F8_E8M0, List.of(), new byte[1]),
            new TestTensor("c.ünïcode", Dtype.F4, List.of(4L), new byte[2])));

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4})
    void everyMutatedFileIsALayoutOrRefusedByName(long seed) {
        fuzz(TENSORS.file(), MutationFuzzTest::takeFile, seed);
    }

    @ParameterizedTest
    @ValueSource(longs = {5, 6})
    void everyMutatedManifestIsAManifestOrRefused(long seed) {
        CheckpointLayout layout = CheckpointLayout.of(List.of(TestTensors.parse("f", TENSORS.file())));
        Manifest manifest = new Manifest(layout, Collections.nCopies(3, new TensorDigest(seed, -seed)));
        fuzz(ManifestCodec.encode(manifest), MutationFuzzTest::takeManifest, seed);
    }

    @ParameterizedTest
    @ValueSource(longs = {7, 8})
    void everyMutatedIndexIsAnIndexOrRefused(long seed) {
        String json =
                "{\"metadata\":{\"total_size\":3},\"weight_map\":{\"a\":\"1.safetensors\",\"b\":\"2.safetensors\"}}";
        fuzz(json.getBytes(StandardCharsets.UTF_8), MutationFuzzTest::takeIndex, seed);
    }

    private static void fuzz(byte[] sound, Consumer<byte[]> reader, long seed) {
        reader.accept(sound);
        Random random = new Random(seed);
        int refused = 0;
        for (int round = 0; round < ROUNDS; round++) {
            byte[] mutant = sound;
            for (int i = random.nextInt(1, 4); i > 0; i--) {
                mutant = mutate(mutant, random);
            }
            refused += refuses(reader, mutant, seed, round) ? 1 : 0;
        }
        assertThat(refused).as("refused of %d", ROUNDS).isBetween(ROUNDS / 4, ROUNDS - 1);
    }

    private static void takeFile(byte[] file) {
        SafetensorsHeader header = TestTensors.parse("fuzzed", file);
        CheckpointLayout layout = CheckpointLayout.of(List.of(header));
        assertThat(LayoutDigest.of(layout)).hasSize(64);
        assertThat(layout.bytes()).isLessThanOrEqualTo(file.length);
    }

    private static void takeManifest(byte[] encoded) {
        Manifest manifest = ManifestCodec.decode(encoded);
        assertThat(ManifestCodec.decode(ManifestCodec.encode(manifest))).isEqualTo(manifest);
    }

    private static void takeIndex(byte[] json) {
        assertThat(SafetensorsIndex.parse("fuzzed", json).files()).isNotEmpty();
    }

    private static boolean refuses(Consumer<byte[]> reader, byte[] mutant, long seed, int round) {
        try {
            reader.accept(mutant);
            return false;
        } catch (CheckpointException e) {
            assertThat(e.getMessage()).matches("(?s)(fuzzed|manifest): .*");
            return true;
        } catch (RuntimeException | StackOverflowError e) {
            throw new AssertionError("seed " + seed + ", round " + round, e);
        }
    }

    private static byte[] mutate(byte[] file, Random random) {
        int at = random.nextInt(random.nextInt(8) == 0 ? 8 : Math.max(1, file.length - 27));
        return switch (random.nextInt(6)) {
            case 0 -> Arrays.copyOf(file, at);
            case 1 -> flip(file, at, random);
            case 2 -> splice(file, at, at, TOKENS.get(random.nextInt(TOKENS.size())));
            case 3 -> splice(file, at, Math.min(file.length, at + random.nextInt(1, 9)), "");
            case 4 -> splice(file, at, Math.min(file.length, at + 1), TOKENS.get(random.nextInt(TOKENS.size())));
            default -> flip(file, at, random);
        };
    }

    private static byte[] flip(byte[] file, int at, Random random) {
        byte[] flipped = file.clone();
        if (at < flipped.length) {
            flipped[at] ^= (byte) (1 << random.nextInt(8));
        }
        return flipped;
    }

    private static byte[] splice(byte[] file, int from, int to, String text) {
        if (from > file.length) {
            return file;
        }
        byte[] inserted = text.getBytes(StandardCharsets.UTF_8);
        byte[] spliced = new byte[file.length - (to - from) + inserted.length];
        System.arraycopy(file, 0, spliced, 0, from);
        System.arraycopy(inserted, 0, spliced, from, inserted.length);
        System.arraycopy(file, to, spliced, from + inserted.length, file.length - to);
        return spliced;
    }
}
