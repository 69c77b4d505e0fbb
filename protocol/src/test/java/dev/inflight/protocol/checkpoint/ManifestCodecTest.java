package dev.inflight.protocol.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ManifestCodecTest {
    private static final Manifest MANIFEST = new Manifest(
            new CheckpointLayout(
                    List.of(new SourceFile("m.safetensors", 112)),
                    List.of(
                            new TensorSpec("x\"\n😀/é", Dtype.BF16, List.of(2L, 2L), 0, 104, 112),
                            new TensorSpec("z", Dtype.F32, List.of(), 0, 108, 112))),
            List.of(new TensorDigest(1, 2), new TensorDigest(-1, 0)));

    @Test
    void writesTheCanonicalForm() {
        Manifest manifest = withFirstTensorOnly();

        assertThat(new String(ManifestCodec.encode(manifest), StandardCharsets.UTF_8))
                .isEqualTo("{\"format\":\"inflight-manifest-1\",\"digest\":\"xxh3-128/1MiB\","
                        + "\"files\":[{\"name\":\"m.safetensors\",\"bytes\":112}],"
                        + "\"tensors\":[{\"name\":\"x\\\"\\n😀/é\",\"dtype\":\"BF16\",\"shape\":[2,2],\"file\":0,"
                        + "\"begin\":104,\"end\":112,\"digest\":\"00000000000000010000000000000002\"}]}");
    }

    @Property(tries = 200)
    void whatIsEncodedIsDecodedAndHasTheIdentityOfItsBytes(@ForAll("tensors") TestTensors tensors) throws Exception {
        CheckpointLayout layout = CheckpointLayout.of(List.of(TestTensors.parse("f.safetensors", tensors.file())));
        List<TensorDigest> digests = layout.tensors().stream()
                .map(tensor -> new TensorDigest(tensor.hashCode(), tensor.begin()))
                .toList();
        Manifest manifest = new Manifest(layout, digests);

        byte[] encoded = ManifestCodec.encode(manifest);

        assertThat(ManifestCodec.decode(encoded)).isEqualTo(manifest);
        assertThat(manifest.digest())
                .isEqualTo(HexFormat.of()
                        .formatHex(MessageDigest.getInstance("SHA-256").digest(encoded)));
    }

    @Provide
    Arbitrary<TestTensors> tensors() {
        return TestTensors.arbitrary(4);
    }

    @Test
    void layoutsAndManifestsHaveIdentitiesOfTheirOwn() {
        String layout = LayoutDigest.of(MANIFEST.layout());

        assertThat(layout).matches("[0-9a-f]{64}").isNotEqualTo(MANIFEST.digest());
        assertThat(LayoutDigest.of(new CheckpointLayout(MANIFEST.layout().files(), List.of())))
                .isNotEqualTo(layout);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "inflight-manifest-1 | inflight-manifest-2 | format is \"inflight-manifest-2\", not inflight-manifest-1",
                "\"digest\":\"xxh3 | \"dig\":\"xxh3 | field \"digest\" expected, found \"dig\"",
                "[0-9a-f]{32} | 12345 | digest must be 32 lower-case hex digits",
                "0000000000000001 | 000000000000000A | digest must be 32 lower-case hex digits",
                "\"BF16\" | \"BF17\" | has an unknown dtype",
                "\\[2,2\\] | [2,3] | does not fit its range",
                "\"file\":0 | \"file\":1 | lies outside the files",
                "\"file\":0 | \"file\":4294967296 | lies outside the files",
                "\"bytes\":112 | \"bytes\":111 | lies outside the files",
                "\\]\\}$ | ],\"x\":1} | unknown field \"x\"",
                "\\]\\}$ | ]}{} | more follows",
                "\\]\\}$ | ] | not valid JSON",
            })
    void refusesWhatIsNoManifest(String pattern, String replacement, String problem) {
        String json = new String(ManifestCodec.encode(withFirstTensorOnly()), StandardCharsets.UTF_8)
                .replaceFirst(pattern, replacement);

        refuses(json.getBytes(StandardCharsets.UTF_8), problem);
    }

    @Test
    void refusesOverlappingTensors() {
        refuses(ManifestCodec.encode(MANIFEST), "tensor \"z\" overlaps the tensor before it");
    }

    private static Manifest withFirstTensorOnly() {
        return new Manifest(
                new CheckpointLayout(
                        MANIFEST.layout().files(), MANIFEST.layout().tensors().subList(0, 1)),
                MANIFEST.digests().subList(0, 1));
    }

    private static void refuses(byte[] encoded, String problem) {
        assertThatExceptionOfType(CheckpointException.class)
                .isThrownBy(() -> ManifestCodec.decode(encoded))
                .withMessageStartingWith("manifest: ")
                .withMessageContaining(problem);
    }
}
