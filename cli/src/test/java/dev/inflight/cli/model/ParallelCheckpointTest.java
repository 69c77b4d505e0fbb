package dev.inflight.cli.model;

import static org.assertj.core.api.Assertions.assertThat;

import dev.inflight.protocol.checkpoint.Dtype;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ParallelCheckpointTest {
    @TempDir
    private Path dir;

    @Test
    void itsFilesEqualTheSerialOnesByteForByte() throws Exception {
        // Sizes that are no multiples of a chunk or a word, and every kind of content.
        List<ModelTensor> tensors = new ArrayList<>(SizedModel.of(9 << 20).tensors());
        tensors.add(ModelTensor.of("odd", Dtype.F8_E4M3, 3, (1 << 20) + 7));
        tensors.add(ModelTensor.of("flags", Dtype.BOOL, 13));
        tensors.add(ModelTensor.of("scalar", Dtype.F32));
        Path serial = dir.resolve("serial");
        Path parallel = dir.resolve("parallel");
        AtomicLong most = new AtomicLong();

        SyntheticCheckpoint.write(serial, tensors, 5, written -> {});
        ParallelCheckpoint.write(parallel, tensors, 5, 4, written -> most.accumulateAndGet(written, Math::max));

        assertThat(names(parallel)).isEqualTo(names(serial)).isNotEmpty();
        for (String name : names(serial)) {
            assertThat(Files.mismatch(parallel.resolve(name), serial.resolve(name)))
                    .as(name)
                    .isEqualTo(-1);
        }
        assertThat(most).hasValue(tensors.stream().mapToLong(ModelTensor::bytes).sum());
    }

    @Test
    void aFileThatIsThereIsReplaced() throws Exception {
        Path file = Files.write(dir.resolve("model.safetensors"), new byte[1 << 20]);
        List<ModelTensor> tensors = List.of(ModelTensor.of("t", Dtype.BF16, 5));

        ParallelCheckpoint.write(dir, tensors, 1, 2, written -> {});
        long bytes = Files.size(file);
        SyntheticCheckpoint.write(dir, tensors, 1, written -> {});

        assertThat(bytes).isEqualTo(Files.size(file)).isLessThan(1 << 20);
    }

    private static List<String> names(Path directory) throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }
}
