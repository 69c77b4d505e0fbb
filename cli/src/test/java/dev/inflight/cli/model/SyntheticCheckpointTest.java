package dev.inflight.cli.model;

import static org.assertj.core.api.Assertions.assertThat;

import dev.inflight.protocol.checkpoint.Dtype;
import dev.inflight.protocol.checkpoint.TensorSpec;
import dev.inflight.worker.store.CheckpointFiles;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SyntheticCheckpointTest {
    private static final long MIB = 1 << 20;

    @TempDir
    Path dir;

    @Test
    void theCheckpointHasTheModelsTensors() throws IOException {
        SizedModel model = SizedModel.of(2 * MIB);
        SyntheticCheckpoint.write(dir, model.tensors(), 1, bytes -> {});

        try (CheckpointFiles files = CheckpointFiles.open(dir)) {
            assertThat(files.layout().tensors())
                    .extracting(TensorSpec::name)
                    .containsExactlyElementsOf(
                            model.tensors().stream().map(ModelTensor::name).toList());
            assertThat(files.layout().bytes()).isEqualTo(model.bytes());
        }
    }

    @Test
    void equalSeedsGiveEqualBytesAndOthersDifferInAlmostAll() throws IOException {
        List<ModelTensor> tensors = SizedModel.of(3 * MIB).tensors();
        byte[] first = write("a", tensors, 1);
        byte[] same = write("b", tensors, 1);
        byte[] other = write("c", tensors, 2);

        assertThat(same).isEqualTo(first);
        assertThat(other).hasSameSizeAs(first);
        int differing = 0;
        for (int i = 0; i < first.length; i++) {
            differing += first[i] == other[i] ? 0 : 1;
        }
        assertThat((double) differing / first.length).isGreaterThan(0.97);
    }

    @Test
    void tensorsAndTheirMebibytesDiffer() {
        SyntheticContent content = new SyntheticContent(7);
        long first = content.chunk(0, 0, Dtype.BF16).get(ValueLayout.JAVA_LONG, 0);
        long nextMebibyte = content.chunk(0, 1, Dtype.BF16).get(ValueLayout.JAVA_LONG, 0);
        long nextTensor = content.chunk(1, 0, Dtype.BF16).get(ValueLayout.JAVA_LONG, 0);

        assertThat(List.of(first, nextMebibyte, nextTensor)).doesNotHaveDuplicates();
    }

    @Test
    void floatsAreFinite() {
        SyntheticContent content = new SyntheticContent(7);
        var chunk = content.chunk(0, 0, Dtype.F32);
        for (long offset = 0; offset < MIB; offset += 4) {
            assertThat(Float.isFinite(chunk.get(ValueLayout.JAVA_FLOAT, offset)))
                    .isTrue();
        }
        var narrow = content.chunk(0, 0, Dtype.F8_E4M3);
        for (long offset = 0; offset < MIB; offset++) {
            assertThat(narrow.get(ValueLayout.JAVA_BYTE, offset) & 0x7F).isNotEqualTo(0x7F);
        }
    }

    @Test
    void progressCountsEveryTensorByte() throws IOException {
        SizedModel model = SizedModel.of(2 * MIB);
        List<Long> seen = new ArrayList<>();
        SyntheticCheckpoint.write(dir, model.tensors(), 1, seen::add);

        assertThat(seen).isSorted();
        assertThat(seen.getLast()).isEqualTo(model.bytes());
    }

    @Test
    void largeModelsAreSpreadOverNumberedFiles() {
        List<FilePartition.Part> parts = FilePartition.of(ModelCatalog.tensors("qwen3-8b"));

        assertThat(parts)
                .extracting(FilePartition.Part::file)
                .startsWith("model-00001-of-00004.safetensors")
                .hasSize(4);
        assertThat(FilePartition.layout(ModelCatalog.tensors("qwen3-8b")).bytes())
                .isEqualTo(8190735360L * 2);
    }

    private byte[] write(String name, List<ModelTensor> tensors, long seed) throws IOException {
        SyntheticCheckpoint.write(dir.resolve(name), tensors, seed, bytes -> {});
        return Files.readAllBytes(dir.resolve(name).resolve("model.safetensors"));
    }
}
