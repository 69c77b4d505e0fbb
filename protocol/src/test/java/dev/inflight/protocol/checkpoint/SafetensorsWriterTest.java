package dev.inflight.protocol.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.inflight.protocol.checkpoint.TestTensors.TestTensor;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;

class SafetensorsWriterTest {
    @Property(tries = 300)
    void whatIsWrittenIsReadBack(@ForAll("tensors") TestTensors written) {
        byte[] file = written.file();

        SafetensorsHeader header = TestTensors.parse("f", file);

        assertThat(header.metadata()).isEqualTo(Map.of("format", "pt"));
        assertThat(header.tensors()).hasSameSizeAs(written.tensors());
        for (TestTensor tensor : written.tensors()) {
            TensorSpec read = header.tensors().stream()
                    .filter(spec -> spec.name().equals(tensor.name()))
                    .findFirst()
                    .orElseThrow();
            assertThat(read.dtype()).isEqualTo(tensor.dtype());
            assertThat(read.shape()).isEqualTo(tensor.shape());
            assertThat(Arrays.copyOfRange(file, (int) read.begin(), (int) read.end()))
                    .isEqualTo(tensor.bytes());
        }
    }

    @Property(tries = 50)
    void tensorBytesBeginAligned(@ForAll("tensors") TestTensors written) {
        byte[] file = written.file();

        int dataBytes = written.tensors().stream()
                .mapToInt(tensor -> tensor.bytes().length)
                .sum();
        assertThat((file.length - dataBytes) % SafetensorsWriter.ALIGNMENT).isZero();
    }

    @Provide
    Arbitrary<TestTensors> tensors() {
        return TestTensors.arbitrary(40);
    }

    @Test
    void refusesASourceOfTheWrongLength() {
        refuses(tensor("t", 4, new byte[5]), "tensor \"t\" was given more bytes than its shape takes");
        refuses(tensor("t", 4, new byte[3]), "tensor \"t\" was given 1 bytes too few");
    }

    @Test
    void refusesTensorsThatMakeNoFile() {
        TestTensor one = tensor("t", 1, new byte[1]);
        refuses(new TestTensors(List.of(one, one)), "tensor \"t\" is given twice");
        refuses(
                new TestTensors(List.of(new TestTensor("t", Dtype.F4, List.of(1L), new byte[1]))),
                "tensor \"t\" of F4[1] has no possible size");
        refuses(tensor("__metadata__", 1, new byte[1]), "tensor \"__metadata__\" has a reserved name");
    }

    private static TestTensor tensor(String name, long shape, byte[] bytes) {
        return new TestTensor(name, Dtype.U8, List.of(shape), bytes);
    }

    private static void refuses(TestTensor tensor, String problem) {
        refuses(new TestTensors(List.of(tensor)), problem);
    }

    private static void refuses(TestTensors tensors, String problem) {
        assertThatExceptionOfType(CheckpointException.class)
                .isThrownBy(tensors::file)
                .withMessage("memory: " + problem);
    }
}
